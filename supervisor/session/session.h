// Purpose: a running session: the traced processes, the events of their threads, and what the control server may
// ask of them.
// Assumes: one per process; SIGCHLD is blocked by the constructor (in this thread; start threads afterwards or with
// SIGCHLD blocked); everything runs on the io_context's thread.
// Promises: a failed start throws StartError with one clear line; the event loop has no work of ours left once
// SessionObserver::session_ended was called.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "supervisor/session/controller.h"
#include "supervisor/session/session_observer.h"
#include "supervisor/session/session_options.h"

namespace vsup::supervisor {

// The program cannot be started or attached to. exit_status is what vsup exits with: 127 not found, 126 not
// executable, 1 otherwise.
class StartError : public std::runtime_error {
 public:
  StartError(const std::string& message, int status) : std::runtime_error(message), exit_status(status) {}
  int exit_status;
};

class SessionImpl;

class Session : public Controller {
 public:
  Session(boost::asio::io_context& io, const SessionOptions& options, SessionObserver& observer);
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Starts the program, or attaches. Throws StartError.
  void start();

  std::vector<ProcessSummary> processes() const override;
  void toggle(bool on, const std::vector<pid_t>& pids, std::function<void(ToggleResult)> done) override;
  std::vector<CounterValue> counters(pid_t pid) const override;
  void with_threads_stopped(pid_t pid, std::function<void(const std::vector<ThreadRegisters>&)> visit) override;
  void with_process_stopped(pid_t pid, std::function<void(StoppedProcess*)> visit) override;
  unsigned kill(const std::vector<pid_t>& pids) override;
  void detach(const std::vector<pid_t>& pids, std::function<void(unsigned count)> done) override;

 private:
  std::unique_ptr<SessionImpl> impl_;
};

}  // namespace vsup::supervisor
