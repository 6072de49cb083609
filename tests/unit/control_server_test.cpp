// Purpose: the control server over real sockets: place, rights, limits, unruly clients.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "protocol/control.h"
#include "supervisor/control/control_server.h"

namespace vsup::supervisor {
namespace {

class EmptyController : public Controller {
 public:
  std::vector<ProcessSummary> processes() const override { return std::vector<ProcessSummary>(rows); }
  void toggle(bool, const std::vector<pid_t>&, std::function<void(ToggleResult)>) override {}
  std::vector<CounterValue> counters(pid_t) const override { return {}; }
  void with_process_stopped(pid_t, std::function<void(StoppedProcess*)> visit) override { visit(nullptr); }
  void with_threads_stopped(pid_t, std::function<void(const std::vector<ThreadRegisters>&)> visit) override {
    visit({});
  }
  unsigned kill(const std::vector<pid_t>&) override { return 0; }
  void detach(const std::vector<pid_t>&, std::function<void(unsigned)> done) override { done(0); }
  size_t rows = 0;
};

struct Fixture {
  Fixture() {
    char name[] = "/tmp/vsup-control-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    directory = name;
    setenv("XDG_RUNTIME_DIR", name, 1);
  }
  ~Fixture() {
    for (int fd : clients) close(fd);
    unsetenv("XDG_RUNTIME_DIR");
    std::filesystem::remove_all(directory);
  }

  std::unique_ptr<ControlServer> serve() {
    CommandContext context{controller, {}, getpid(), "/s", "none", {}, 0};
    return std::make_unique<ControlServer>(io, context);
  }

  int connect_client(const std::string& path) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    REQUIRE(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    clients.push_back(fd);
    return fd;
  }

  // Runs the loop until `fd` has a line or hung up; an empty string is the end.
  std::string line_of(int fd) {
    std::string line;
    for (int i = 0; i < 2000; ++i) {
      io.restart();
      io.poll();
      char c;
      ssize_t count = 0;
      while ((count = recv(fd, &c, 1, MSG_DONTWAIT)) == 1) {
        if (c == '\n') return line;
        line += c;
      }
      if (count == 0 || errno != EAGAIN) return line;
      usleep(1000);
    }
    return "timeout";
  }

  void put(int fd, const std::string& text) { REQUIRE(send(fd, text.data(), text.size(), MSG_NOSIGNAL) > 0); }

  boost::asio::io_context io;
  EmptyController controller;
  std::string directory;
  std::vector<int> clients;
};

TEST_CASE("the socket is private and goes away") {
  Fixture f;
  auto server = f.serve();
  CHECK(server->path() == f.directory + "/vsup/" + std::to_string(getpid()) + ".sock");
  struct stat status {};
  REQUIRE(stat(server->path().c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  REQUIRE(stat((f.directory + "/vsup").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
  std::string path = server->path();
  server->close();
  CHECK(access(path.c_str(), F_OK) != 0);
  f.io.run();  // nothing is left to do
}

TEST_CASE("sockets of sessions that were killed are removed") {
  Fixture f;
  // No pid is that high: pid_max is 2^22 at most.
  std::string stale = f.directory + "/vsup/99999999.sock";
  REQUIRE(mkdir((f.directory + "/vsup").c_str(), 0700) == 0);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, stale.c_str(), sizeof address.sun_path - 1);
  REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(listen(fd, 1) == 0);
  { auto server = f.serve(); }
  CHECK(access(stale.c_str(), F_OK) == 0);
  close(fd);
  { auto server = f.serve(); }
  CHECK(access(stale.c_str(), F_OK) != 0);
}

TEST_CASE("a directory that others may enter is not used") {
  Fixture f;
  REQUIRE(mkdir((f.directory + "/vsup").c_str(), 0755) == 0);
  chmod((f.directory + "/vsup").c_str(), 0755);
  auto server = f.serve();
  CHECK(server->path().find(f.directory) == std::string::npos);
}

TEST_CASE("both ends agree on the place") {
  Fixture f;
  CHECK(protocol::control_directory() == f.directory + "/vsup");
  std::string fallback = "/tmp/vsup-" + std::to_string(geteuid());
  setenv("XDG_RUNTIME_DIR", "/nonexistent/x", 1);
  CHECK(protocol::control_directory() == fallback);
  setenv("XDG_RUNTIME_DIR", (f.directory + std::string(100, 'x')).c_str(), 1);
  CHECK(protocol::control_directory() == fallback);
  setenv("XDG_RUNTIME_DIR", f.directory.c_str(), 1);
  REQUIRE(symlink("/tmp", (f.directory + "/vsup").c_str()) == 0);
  CHECK(protocol::control_directory() == fallback);
}

TEST_CASE("questions are answered, also many and broken ones") {
  Fixture f;
  auto server = f.serve();
  int fd = f.connect_client(server->path());
  CHECK(f.line_of(fd).find("\"hello\":\"vsup\"") != std::string::npos);
  f.put(fd, "nonsense\n{\"id\":1,\"request\":\"list\"}\n{\"id\":2,\"request\":\"list\"}\n");
  CHECK(f.line_of(fd).find("bad-json") != std::string::npos);
  CHECK(f.line_of(fd).find("\"id\":1,\"ok\":true") != std::string::npos);
  CHECK(f.line_of(fd).find("\"id\":2,\"ok\":true") != std::string::npos);
  // Half a line, then gone.
  f.put(fd, "{\"id\":");
  shutdown(fd, SHUT_RDWR);
  int next = f.connect_client(server->path());
  CHECK(f.line_of(next).find("hello") != std::string::npos);
  server->close();
}

TEST_CASE("one client too many is told so") {
  Fixture f;
  auto server = f.serve();
  for (size_t i = 0; i < protocol::kMostClients; ++i) {
    CHECK(f.line_of(f.connect_client(server->path())).find("hello") != std::string::npos);
  }
  int last = f.connect_client(server->path());
  CHECK(f.line_of(last).find(protocol::kErrorTooManyClients) != std::string::npos);
  CHECK(f.line_of(last).empty());
  shutdown(f.clients[0], SHUT_RDWR);
  f.io.poll();
  CHECK(f.line_of(f.connect_client(server->path())).find("hello") != std::string::npos);
  server->close();
}

TEST_CASE("a client that does not read is not answered without end") {
  Fixture f;
  f.controller.rows = 2000;
  auto server = f.serve();
  int fd = f.connect_client(server->path());
  std::string question = "{\"id\":1,\"request\":\"list\"}\n";
  size_t accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    if (send(fd, question.data(), question.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) ++accepted;
    f.io.restart();
    f.io.poll();
  }
  CHECK(accepted < 20000);  // the server stopped listening
  int other = f.connect_client(server->path());
  CHECK(f.line_of(other).find("hello") != std::string::npos);
  // It is not waited for at the end.
  auto began = std::chrono::steady_clock::now();
  server->close();
  f.io.restart();
  f.io.run();
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(2));
}

TEST_CASE("an unanswered question is answered at the end") {
  Fixture f;
  auto server = f.serve();
  int fd = f.connect_client(server->path());
  f.line_of(fd);
  f.put(fd, "{\"id\":7,\"request\":\"toggle\",\"on\":true}\n");
  for (int i = 0; i < 20; ++i) {
    f.io.restart();
    f.io.poll();
    usleep(1000);
  }
  auto began = std::chrono::steady_clock::now();
  server->close();
  f.io.restart();
  f.io.run();
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::milliseconds(400));
  CHECK(f.line_of(fd).find("session-ended") != std::string::npos);
}

TEST_CASE("descriptors are not inherited") {
  Fixture f;
  auto server = f.serve();
  int fd = f.connect_client(server->path());
  f.line_of(fd);
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    int number = std::stoi(entry.path().filename());
    struct stat status {};
    if (number <= 2 || fstat(number, &status) != 0 || !S_ISSOCK(status.st_mode)) continue;
    CHECK((fcntl(number, F_GETFD) & FD_CLOEXEC) != 0);
  }
  server->close();
}

}  // namespace
}  // namespace vsup::supervisor
