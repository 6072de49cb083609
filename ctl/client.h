// Purpose: finding sessions and talking to one, over its control socket.
// Assumes: the other end may be gone, old, stuck or not ours. Promises: every failure is a ClientError with one line;
// nothing waits without end.
#pragma once

#include <sys/types.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "protocol/control.h"

namespace vsup::ctl {

class ClientError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A line read and written at a time.
class Connection {
 public:
  // Takes a connected descriptor and reads the greeting. `path` is for messages. Throws ClientError.
  Connection(int fd, const std::string& path);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  pid_t vsup_pid() const { return vsup_pid_; }
  const std::string& session_directory() const { return session_directory_; }
  // Empty when vsup speaks our protocol, else what to say.
  const std::string& mismatch() const { return mismatch_; }

  // Sends the request (id is added) and returns the result. Throws ClientError, also for an error answer and when
  // nothing comes for so long.
  nlohmann::ordered_json ask(nlohmann::ordered_json request, int patience_seconds = 30);

 private:
  std::string read_line(int patience_seconds);

  std::string path_;
  int fd_ = -1;
  int next_id_ = 1;
  std::string buffer_;
  pid_t vsup_pid_ = 0;
  std::string session_directory_;
  std::string mismatch_;
};

// All sessions of this user, by vsup's pid. Sockets that nobody listens at are removed. A session that does not answer
// is left out with a line in `problems`. `directory` is where sockets are looked for.
std::vector<std::unique_ptr<Connection>> find_sessions(std::vector<std::string>& problems,
                                                       const std::string& directory = protocol::control_directory());

// The one that `name` (pid or session directory, also of a session whose socket is elsewhere) means; when it is empty
// the only one, or of several the only one that has all of `targets`. Throws ClientError.
std::unique_ptr<Connection> choose_session(const std::string& name,
                                           const std::string& directory = protocol::control_directory(),
                                           const nlohmann::ordered_json& targets = {});

}  // namespace vsup::ctl
