// Purpose: vctl: its command line, its words for people, and its ways with sessions that are there, gone or odd.
#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "ctl/arguments.h"
#include "ctl/client.h"
#include "ctl/show.h"
#include "supervisor/options.h"

namespace vsup::ctl {
namespace {

using Json = nlohmann::ordered_json;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string error_of(const std::vector<std::string>& words) {
  try {
    parse_arguments(words);
  } catch (const ArgumentError& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("vctl's command line") {
  CHECK(parse_arguments({"-l"}).action == Action::kList);
  CHECK(parse_arguments({"--stat", "--json"}).json);
  Arguments arguments = parse_arguments({"-i", "off", "12", "python3", "--session=/x"});
  CHECK(arguments.action == Action::kToggle);
  CHECK_FALSE(arguments.on);
  CHECK(arguments.targets == std::vector<std::string>{"12", "python3"});
  CHECK(arguments.session == "/x");
  for (const auto& words :
       std::vector<std::vector<std::string>>{{"-i", "on"}, {"-ion"}, {"-i=on"}, {"--instr=on"}, {"--instr", "on"}}) {
    CHECK(parse_arguments(words).on);
  }
  CHECK(parse_arguments({"detach", "12"}).action == Action::kDetach);
  CHECK(parse_arguments({"report", "/tmp/a"}).action == Action::kReport);
  CHECK(parse_arguments({"report", "/tmp/a"}).targets == std::vector<std::string>{"/tmp/a"});
  CHECK(parse_arguments({"--session=7", "--report"}).session == "7");
  CHECK(parse_arguments({"-k", "report"}).targets == std::vector<std::string>{"report"});
  CHECK_THROWS_WITH(parse_arguments({"report", "a", "b"}), "report takes one session, but 'b' was given, too");
  CHECK(parse_arguments({"detach", "12"}).targets == std::vector<std::string>{"12"});
  CHECK(parse_arguments({"-k", "detach"}).targets == std::vector<std::string>{"detach"});
  CHECK(parse_arguments({"--detach", "--", "-odd"}).targets == std::vector<std::string>{"-odd"});
  CHECK(parse_arguments({"-l", "--help"}).action == Action::kHelp);
  CHECK(parse_arguments({"--version", "-l"}).action == Action::kVersion);
  CHECK(contains(error_of({}), "nothing to do"));
  CHECK(contains(error_of({"12"}), "nothing to do"));
  CHECK(contains(error_of({"-i"}), "needs a value"));
  CHECK(contains(error_of({"-i", "sideways"}), "sideways"));
  CHECK(contains(error_of({"-l", "-s"}), "one action"));
  CHECK(contains(error_of({"-l", "12"}), "no targets"));
  CHECK(contains(error_of({"-x"}), "unknown option '-x'"));
  CHECK(contains(error_of({"--lisst"}), "unknown option '--lisst'"));
  CHECK(contains(error_of({"--l"}), "unknown option"));
  CHECK(contains(error_of({"--json=yes", "-l"}), "no value"));
}

TEST_CASE("the tree of processes") {
  Json result =
      Json::parse(R"({"session": {"pid": 9, "directory": "/d", "tool": "none", "command": ["a", "b"], "started": 100},
    "processes": [{"pid": 1, "parent": 0, "mode": "native", "arguments": ["sh"], "threads": [{"instrumented": false}]},
                  {"pid": 2, "parent": 1, "mode": "instrumented", "arguments": ["py\u001b[31m"],
                   "threads": [{"instrumented": true}, {"instrumented": false}]},
                  {"pid": 3, "parent": 2, "mode": "not-traceable", "executable": "/x/old", "note": "32-bit",
                   "threads": []},
                  {"pid": 4, "parent": 1, "mode": "native", "arguments": ["cat"], "threads": []},
                  {"pid": 5, "parent": 77, "mode": "native", "arguments": ["orphan"], "threads": []}]})");
  CHECK(show_list(result, 3761.5) ==
        "session 9: a b\n"
        "  tool none, 1 h 01 min, results in /d\n"
        "      PID  STATE          THREADS  COMMAND\n"
        "        1  native               1  sh\n"
        "        2  1 of 2 on            2    py?[31m\n"
        "        3  not-traceable        0      /x/old\n"
        "           32-bit\n"
        "        4  native               0    cat\n"
        "        5  native               0  orphan\n");
  // A parent that is its own child, or a circle, ends all the same.
  result["processes"][0]["parent"] = 4;
  CHECK(contains(show_list(result, 0), "orphan"));
}

TEST_CASE("answers in words") {
  CHECK(show_toggle(Json::parse(R"({"processes": 1, "threads": 4, "milliseconds": 1.26})"), true) ==
        "instrumentation on: 4 threads of 1 process moved in 1.3 ms\n");
  CHECK(show_count(Json::parse(R"({"processes": 2})"), "killed") == "killed 2 processes\n");
  CHECK(show_status(Json::parse(R"({"processes": [{"pid": 7, "executable": "/bin/sh", "mode": "native",
    "counters": [{"name": "a", "value": 1234567, "sentence": "blocks"}]}]})")) ==
        "7 sh, native\n           1,234,567  blocks\n");
  CHECK(show_stacks(Json::parse(R"({"processes": [{"pid": 7, "executable": "/bin/sh", "mode": "native",
    "threads": [{"tid": 8, "name": "t",
                 "frames": [{"address": "0x1", "function": "f", "file": "a.c", "line": 3,
                             "inlined": true},
                            {"address": "0x2", "module": "/m"}, {"address": "0x3", "function": "g"}]}]}]})")) ==
        "7 sh, native\n  thread 8 (t)\n    #0   f at a.c:3 (inlined)\n    #1   0x2 in /m\n    #2   g\n");
}

TEST_CASE("answers with anything missing or of the wrong kind") {
  for (const char* text :
       {"{}", "[]", "null", "5", R"({"processes": 5, "session": []})",
        R"({"processes": [5, null, {}, [], {"threads": [1, {"frames": [2, {}]}], "counters": [3, {}]}]})",
        R"({"processes": [{"pid": "x", "parent": [], "arguments": [1], "mode": {}}]})",
        R"({"processes": [{"threads": [{"frames": [{"inlined": "x", "line": -1}]}]}]})"}) {
    Json json = Json::parse(text);
    CHECK_NOTHROW(show_list(json, 1));
    CHECK_NOTHROW(show_status(json));
    CHECK_NOTHROW(show_toggle(json, true));
    CHECK_NOTHROW(show_stacks(json));
    CHECK_NOTHROW(show_count(json, "killed"));
  }
}

// Sockets in a directory of the test's own, each answering one connection with fixed bytes.
struct Sessions {
  Sessions() {
    char name[] = "/tmp/vsup-client-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    directory = name;
    REQUIRE(mkdir((directory + "/vsup").c_str(), 0700) == 0);
  }
  ~Sessions() {
    for (int fd : listeners) shutdown(fd, SHUT_RDWR);
    for (auto& thread : threads) thread.join();
    for (int fd : listeners) close(fd);
    std::filesystem::remove_all(directory);
  }

  std::string socket_path(const std::string& pid) { return directory + "/vsup/" + pid + ".sock"; }

  int open(const std::string& pid) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket_path(pid).c_str(), sizeof address.sun_path - 1);
    REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(listen(fd, 8) == 0);
    return fd;
  }

  // Says the first line, and the others each after having got a line.
  void add(const std::string& pid, std::vector<std::string> lines) {
    int listener = open(pid);
    listeners.push_back(listener);
    threads.emplace_back([listener, lines] {
      int fd = 0;
      while ((fd = accept(listener, nullptr, nullptr)) >= 0) {
        bool first = true;
        for (const std::string& line : lines) {
          char c = 0;
          while (!first && recv(fd, &c, 1, 0) == 1 && c != '\n') {
          }
          first = false;
          if (send(fd, line.data(), line.size(), MSG_NOSIGNAL) < 0) break;
        }
        close(fd);
      }
    });
  }

  static std::string hello(int pid, const std::string& session, int version = 1) {
    return Json({{"hello", "vsup"}, {"protocol", version}, {"version", "9"}, {"pid", pid}, {"session", session}})
               .dump() +
           "\n";
  }

  std::string directory;
  std::vector<int> listeners;
  std::vector<std::thread> threads;
};

std::unique_ptr<Connection> choose(const Sessions& sessions, const std::string& name) {
  return choose_session(name, sessions.directory + "/vsup");
}

std::string choice_error(const Sessions& sessions, const std::string& name) {
  try {
    choose(sessions, name);
  } catch (const ClientError& error) {
    CHECK_FALSE(contains(error.what(), "\n"));
    return error.what();
  }
  return "";
}

TEST_CASE("the only session is taken, several must be told apart") {
  Sessions sessions;
  sessions.add("101", {Sessions::hello(101, "/tmp/a"),
                       "{\"id\":1,\"progress\":{}}\n{\"id\":1,\"ok\":true,\"result\":{\"x\":5}}\n"});
  CHECK(choose(sessions, "")->ask({{"request", "list"}})["x"] == 5);
  sessions.add("102", {Sessions::hello(102, "/tmp")});
  CHECK(contains(choice_error(sessions, ""), "several sessions"));
  CHECK(contains(choice_error(sessions, ""), "102 (/tmp)"));
  CHECK(choose(sessions, "102")->vsup_pid() == 102);
  CHECK(choose(sessions, "/tmp/")->vsup_pid() == 102);
  CHECK(choose(sessions, "/tmp/../tmp")->vsup_pid() == 102);
  CHECK(contains(choice_error(sessions, "103"), "no running session '103'"));
}

TEST_CASE("sessions that cannot be talked to") {
  Sessions sessions;
  // Nobody listens and nobody has that pid.
  close(sessions.open("99999999"));
  // Nobody listens yet.
  int silent = sessions.open(std::to_string(getpid()));
  close(silent);
  CHECK(contains(choice_error(sessions, ""), "no running vsup session"));
  CHECK(access(sessions.socket_path("99999999").c_str(), F_OK) != 0);
  CHECK(access(sessions.socket_path(std::to_string(getpid())).c_str(), F_OK) == 0);
  std::filesystem::create_directory(sessions.directory + "/old");
  std::ofstream(sessions.directory + "/old/session.json") << "{}";
  CHECK(contains(choice_error(sessions, sessions.directory + "/old"), "has ended"));

  // One that runs with another runtime directory is found by its session directory.
  std::filesystem::create_directory(sessions.directory + "/other");
  {
    Sessions others;
    others.add("103", {Sessions::hello(103, sessions.directory + "/other")});
    std::ofstream(sessions.directory + "/other/session.json")
        << Json({{"state", "running"}, {"socket", others.socket_path("103")}}).dump();
    CHECK(choose(sessions, sessions.directory + "/other")->vsup_pid() == 103);
  }
  CHECK(contains(choice_error(sessions, sessions.directory + "/other"), "has ended"));

  sessions.add("101", {"garbage\n"});
  CHECK(contains(choice_error(sessions, ""), "not a vsup session"));
  sessions.add("102", {"{\"error\":{\"code\":\"too-many-clients\",\"message\":\"full\"}}\n"});
  CHECK(contains(choice_error(sessions, "102"), "no running session"));
}

TEST_CASE("what goes wrong in a conversation is one line") {
  struct Case {
    std::string greeting, answer, message;
  } cases[] = {
      {Sessions::hello(101, "/s", 2), "", "speaks control protocol 2"},
      {Sessions::hello(101, "/s"), "{\"id\":1,\"ok\":false,\"error\":{\"code\":\"c\",\"message\":\"why not\"}}\n",
       "why not"},
      {Sessions::hello(101, "/s"), "{\"id\":1,\"ok\":false}\n", "without a reason"},
      {Sessions::hello(101, "/s"), "nonsense\n", "no answer"},
      {Sessions::hello(101, "/s"), "{\"id\":1,", "ended before"},
  };
  for (const Case& c : cases) {
    Sessions sessions;
    sessions.add("101", {c.greeting, c.answer});
    std::string message;
    try {
      choose(sessions, "")->ask({{"request", "list"}});
    } catch (const ClientError& error) {
      message = error.what();
    }
    CHECK_MESSAGE(contains(message, c.message), message);
  }
}

// Every option has its place in the manual.
void check_manual(const std::string& page, const std::string& options) {
  std::ifstream file(std::string(VSUP_SOURCE_DIR "/man/") + page);
  std::stringstream content;
  content << file.rdbuf();
  std::string text = content.str();
  REQUIRE_FALSE(text.empty());
  std::stringstream lines(options);
  std::string line;
  while (std::getline(lines, line)) {
    std::string name = line.substr(0, line.find('\t'));
    if (name.back() == '=') name.pop_back();
    std::string escaped;
    for (char c : name) escaped += c == '-' ? std::string("\\-") : std::string(1, c);
    CHECK_MESSAGE(contains(text, escaped), page << " lacks " << name);
  }
}

TEST_CASE("the manual has every option") {
  check_manual("vsup.1", supervisor::list_options_text());
  check_manual("vctl.1", list_options_text());
}

}  // namespace
}  // namespace vsup::ctl
