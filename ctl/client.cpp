#include "ctl/client.h"

#include <dirent.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

namespace vsup::ctl {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kGreetingSeconds = 30;
constexpr int kFullMilliseconds = 2000;  // how long to try at a session that serves too many
constexpr int kFullPauseMilliseconds = 20;
constexpr size_t kLongestAnswer = size_t{256} << 20;

// It serves as many clients as it can.
class SessionFull : public ClientError {
 public:
  using ClientError::ClientError;
};

std::string real_path(const std::string& path) {
  char resolved[PATH_MAX];
  return realpath(path.c_str(), resolved) != nullptr ? resolved : path;
}

// Socket paths in a directory that is ours alone.
std::vector<std::string> sockets_in(const std::string& directory) {
  std::vector<std::string> paths;
  struct stat status {};
  if (lstat(directory.c_str(), &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != geteuid()) return paths;
  DIR* listing = opendir(directory.c_str());
  if (listing == nullptr) return paths;
  std::string suffix = protocol::kSocketSuffix;
  while (const dirent* entry = readdir(listing)) {
    std::string name = entry->d_name;
    if (name.size() > suffix.size() && name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0) {
      paths.push_back(directory + "/" + name);
    }
  }
  closedir(listing);
  return paths;
}

// A socket that refuses belongs to a vsup that has ended without tidying up, or to one that is about to listen.
bool vsup_is_gone(const std::string& socket_path) {
  pid_t pid = std::atoi(socket_path.c_str() + socket_path.rfind('/') + 1);
  return pid <= 0 || (kill(pid, 0) != 0 && errno == ESRCH);
}

// Connected descriptor, or -1 with errno.
int connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  timeval patience{kGreetingSeconds, 0};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

std::string text_of(const Json& json, const char* name) {
  auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string error_text(const Json& error) {
  std::string message = error.is_object() ? text_of(error, "message") : "";
  return message.empty() ? "vsup refused without a reason" : message;
}

std::string words_of(const Json& targets) {
  std::string text = targets.size() == 1 ? "a process" : "all the processes";
  for (const Json& target : targets)
    text += target.is_string() ? " '" + target.get<std::string>() + "'" : " " + target.dump();
  return text;
}

}  // namespace

Connection::Connection(int fd, const std::string& path) : path_(path), fd_(fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  try {
    if (getsockopt(fd_, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != geteuid()) {
      throw ClientError("the session at " + path + " belongs to another user");
    }
    Json hello = Json::parse(read_line(kGreetingSeconds), nullptr, false);
    if (hello.is_object() && hello.contains("error")) {
      std::string message = path + ": " + error_text(hello["error"]);
      if (text_of(hello["error"], "code") == protocol::kErrorTooManyClients) throw SessionFull(message);
      throw ClientError(message);
    }
    if (!hello.is_object() || text_of(hello, "hello") != "vsup") throw ClientError(path + " is not a vsup session");
    vsup_pid_ = hello.contains("pid") && hello["pid"].is_number_integer() ? hello["pid"].get<pid_t>() : peer.pid;
    session_directory_ = text_of(hello, "session");
    Json version = hello.contains("protocol") ? hello["protocol"] : Json();
    if (version != protocol::kControlVersion) {
      mismatch_ = "session " + std::to_string(vsup_pid_) + " (vsup " + text_of(hello, "version") +
                  ") speaks control protocol " + version.dump(-1, ' ', false, Json::error_handler_t::replace) +
                  ", this vctl " VSUP_VERSION " speaks " + std::to_string(protocol::kControlVersion) +
                  "; use the vctl that belongs to that vsup";
    }
  } catch (...) {
    close(fd_);
    throw;
  }
}

Connection::~Connection() {
  close(fd_);
}

std::string Connection::read_line(int patience_seconds) {
  for (;;) {
    size_t newline = buffer_.find('\n');
    if (newline != std::string::npos) {
      std::string line = buffer_.substr(0, newline);
      buffer_.erase(0, newline + 1);
      return line;
    }
    // Long lines come in many parts: look for the newline in each part only.
    for (;;) {
      pollfd waiting{fd_, POLLIN, 0};
      int ready = poll(&waiting, 1, patience_seconds * 1000);
      if (ready < 0 && errno == EINTR) continue;
      if (ready == 0) throw ClientError("the session at " + path_ + " does not answer");
      char bytes[65536];
      ssize_t count = recv(fd_, bytes, sizeof bytes, 0);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) throw ClientError("the session at " + path_ + " ended before it answered");
      buffer_.append(bytes, static_cast<size_t>(count));
      if (buffer_.size() > kLongestAnswer) throw ClientError("the answer of " + path_ + " is too long");
      if (std::memchr(bytes, '\n', static_cast<size_t>(count)) != nullptr) break;
    }
  }
}

Json Connection::ask(Json request, int patience_seconds) {
  if (!mismatch_.empty()) throw ClientError(mismatch_);
  int id = next_id_++;
  request["id"] = id;
  std::string line = request.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  for (size_t sent = 0; sent < line.size();) {
    ssize_t count = send(fd_, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) throw ClientError("the session at " + path_ + " ended before it answered");
    sent += static_cast<size_t>(count);
  }
  for (;;) {
    Json answer = Json::parse(read_line(patience_seconds), nullptr, false);
    if (!answer.is_object()) throw ClientError("the session at " + path_ + " sent what is no answer");
    auto about = answer.find("id");
    if (about == answer.end() || (*about != id && !about->is_null())) continue;
    if (answer.contains("progress")) continue;
    auto ok = answer.find("ok");
    if (ok != answer.end() && *ok == true) return answer.contains("result") ? answer["result"] : Json::object();
    throw ClientError(error_text(answer.contains("error") ? answer["error"] : Json()));
  }
}

namespace {

// The socket that session.json in the directory names while the session runs; `recorded`: whether there is that file.
std::string recorded_socket(const std::string& session_directory, bool& recorded) {
  std::ifstream file(session_directory + "/session.json");
  recorded = file.is_open();
  if (!recorded) return {};
  Json session = Json::parse(file, nullptr, false);
  if (!session.is_object() || text_of(session, "state") != "running") return {};
  return text_of(session, "socket");
}

// Null when nobody listens.
std::unique_ptr<Connection> connect_patiently(const std::string& path) {
  for (int waited = 0;; waited += kFullPauseMilliseconds) {
    int fd = connect_to(path);
    if (fd < 0) {
      int error = errno;
      if (error == ECONNREFUSED && vsup_is_gone(path)) unlink(path.c_str());
      if (error == ENOENT || error == ECONNREFUSED) return nullptr;
      throw ClientError("cannot reach the session at " + path + ": " + std::strerror(error));
    }
    try {
      return std::make_unique<Connection>(fd, path);
    } catch (const SessionFull&) {
      if (waited >= kFullMilliseconds) throw;
    }
    usleep(kFullPauseMilliseconds * 1000);
  }
}

}  // namespace

std::vector<std::unique_ptr<Connection>> find_sessions(std::vector<std::string>& problems,
                                                       const std::string& directory) {
  std::vector<std::unique_ptr<Connection>> sessions;
  for (const std::string& path : sockets_in(directory)) {
    try {
      if (auto session = connect_patiently(path)) sessions.push_back(std::move(session));
    } catch (const ClientError& error) {
      problems.emplace_back(error.what());
    }
  }
  std::sort(sessions.begin(), sessions.end(),
            [](const auto& a, const auto& b) { return a->vsup_pid() < b->vsup_pid(); });
  return sessions;
}

std::unique_ptr<Connection> choose_session(const std::string& name, const std::string& directory, const Json& targets) {
  std::vector<std::string> problems;
  auto sessions = find_sessions(problems, directory);
  if (!name.empty()) {
    std::string wanted = real_path(name);
    for (auto& session : sessions) {
      if (name == std::to_string(session->vsup_pid()) || real_path(session->session_directory()) == wanted) {
        return std::move(session);
      }
    }
    bool recorded = false;
    std::string path = recorded_socket(name, recorded);
    auto elsewhere = path.empty() ? nullptr : connect_patiently(path);
    if (elsewhere) return elsewhere;
    throw ClientError(recorded ? "the session in " + name + " has ended"
                               : "there is no running session '" + name + "'");
  }
  if (sessions.empty()) {
    throw ClientError(problems.empty() ? "there is no running vsup session" : problems.front());
  }
  if (sessions.size() > 1 && !targets.empty()) {
    std::erase_if(sessions, [&targets](const auto& session) {
      try {
        session->ask({{"request", protocol::kRequestStatus}, {"targets", targets}});
        return false;
      } catch (const ClientError&) {
        return true;
      }
    });
    if (sessions.empty()) throw ClientError("no session has " + words_of(targets));
  }
  if (sessions.size() > 1) {
    std::string message = "there are several sessions, choose with --session=:";
    for (const auto& session : sessions) {
      message += " " + std::to_string(session->vsup_pid()) + " (" + session->session_directory() + ")";
      message += session == sessions.back() ? "" : ",";
    }
    throw ClientError(message);
  }
  return std::move(sessions.front());
}

}  // namespace vsup::ctl
