// Purpose: the session directory and the recorder, against a temporary directory and invented events.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "supervisor/session/build_id.h"
#include "supervisor/session/process_record.h"
#include "supervisor/session/recorder.h"

namespace vsup::supervisor {
namespace {

namespace fs = std::filesystem;

struct TemporaryDirectory {
  TemporaryDirectory() {
    char name[] = "/tmp/vsup-directory-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path = name;
  }
  ~TemporaryDirectory() { fs::remove_all(path); }
  std::string path;
};

std::string slurp(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

nlohmann::json load(const std::string& path) {
  return nlohmann::json::parse(slurp(path));
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

struct Fixture {
  explicit Fixture(RecorderOptions options = {}, const std::string& pattern = "")
      : directory(pattern.empty() ? temporary.path + "/s" : pattern, "prog",
                  [this](const std::string& l) { said += l; }),
        recorder(
            directory, with_defaults(options),
            [this](double, std::function<void()> action) { later.push_back(action); },
            [this](const std::string& l) { said += l; }) {}

  static RecorderOptions with_defaults(RecorderOptions options) {
    options.tool = "none";
    if (options.command.empty()) options.command = {"prog", "a b"};
    return options;
  }

  ProcessSummary summary(pid_t pid, const std::string& executable, pid_t parent = 0, unsigned image = 0) {
    ProcessSummary process;
    process.pid = pid;
    process.parent = parent;
    process.image = image;
    process.executable = executable;
    process.arguments = {executable, "x"};
    process.mode = ProcessMode::kInstrumented;
    process.started_seconds = 1000.5;
    return process;
  }

  void run_later() {
    auto actions = std::move(later);
    later.clear();
    for (auto& action : actions) action();
  }

  std::string at(const std::string& name) { return directory.path() + "/" + name; }

  TemporaryDirectory temporary;
  std::string said;
  std::vector<std::function<void()>> later;
  SessionDirectory directory;
  Recorder recorder;
};

TEST_CASE("the default directory is private, has a latest link and a free name") {
  TemporaryDirectory temporary;
  setenv("XDG_STATE_HOME", (temporary.path + "/state").c_str(), 1);
  std::string first;
  {
    SessionDirectory directory("", "/usr/bin/../evil name", [](const std::string&) {});
    first = directory.path();
    CHECK(contains(first, temporary.path + "/state/vsup/"));
    CHECK(contains(first, "-evil_name-" + std::to_string(getpid())));
    struct stat status {};
    REQUIRE(stat(first.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0700);
    CHECK_FALSE(fs::exists(temporary.path + "/state/vsup/latest"));
    directory.publish();
    CHECK(fs::read_symlink(temporary.path + "/state/vsup/latest") == fs::path(first).filename());
  }
  SessionDirectory again("", "/usr/bin/../evil name", [](const std::string&) {});
  again.publish();
  CHECK(again.path() != first);
  CHECK(fs::read_symlink(temporary.path + "/state/vsup/latest") == fs::path(again.path()).filename());
  unsetenv("XDG_STATE_HOME");
}

TEST_CASE("a named directory is made with its parents, and may be used again, but not at the same time") {
  TemporaryDirectory temporary;
  std::string path = temporary.path + "/a/b/%p";
  {
    SessionDirectory directory(path + "/", "prog", [](const std::string&) {});
    CHECK(directory.path() == temporary.path + "/a/b/" + std::to_string(getpid()));
    CHECK(directory.write_file("session.json", "first"));
    CHECK_THROWS_WITH_AS(SessionDirectory(path, "prog", [](const std::string&) {}),
                         doctest::Contains("another session"), SessionDirectoryError);
  }
  for (const char* text : {"second", "third"}) {
    SessionDirectory directory(path, "prog", [](const std::string&) {});
    CHECK(directory.write_file("session.json", text));
  }
  CHECK(slurp(temporary.path + "/a/b/" + std::to_string(getpid()) + "/session-1.json") == "first");
  CHECK(slurp(temporary.path + "/a/b/" + std::to_string(getpid()) + "/session-2.json") == "second");
  std::ofstream(temporary.path + "/file") << "x";
  CHECK_THROWS_AS(SessionDirectory(temporary.path + "/file/x", "p", [](const std::string&) {}), SessionDirectoryError);
  CHECK_THROWS_AS(SessionDirectory(temporary.path + "/file", "p", [](const std::string&) {}), SessionDirectoryError);
  CHECK_THROWS_AS(SessionDirectory("/proc/vsup", "p", [](const std::string&) {}), SessionDirectoryError);
}

TEST_CASE("a session that never began leaves nothing") {
  TemporaryDirectory temporary;
  SessionDirectory directory(temporary.path + "/s", "prog", [](const std::string&) {});
  directory.publish();
  directory.write_file("session.json", "{}");
  directory.discard();
  CHECK(fs::is_empty(temporary.path));
}

TEST_CASE("process directories have safe names") {
  TemporaryDirectory temporary;
  SessionDirectory directory(temporary.path + "/s", "prog", [](const std::string&) {});
  CHECK(directory.make_process_directory(7, 0, "/bin/sh") == "7.0-sh");
  CHECK(directory.make_process_directory(7, 0, "/bin/sh") == "7.0-sh-2");
  CHECK(directory.make_process_directory(7, 1, "/x/..") == "7.1-_.");
  CHECK(directory.make_process_directory(7, 2, "") == "7.2-unknown");
}

TEST_CASE("a full disk is reported once and keeps what was there") {
  TemporaryDirectory temporary;
  unsigned reports = 0;
  std::string said;
  SessionDirectory directory(temporary.path + "/s", "prog", [&](const std::string& line) {
    ++reports;
    said = line;
  });
  REQUIRE(directory.write_file("f", "old"));
  // /dev/full answers every write with ENOSPC; RLIMIT_FSIZE would kill, a quota needs root.
  REQUIRE(symlink("/dev/full", (directory.path() + "/g").c_str()) == 0);
  CHECK_FALSE(directory.append_file("g", "x"));  // O_NOFOLLOW: not even followed
  CHECK(reports == 1);
  CHECK(contains(said, directory.path() + "/g"));
  REQUIRE(mkdir((directory.path() + "/f.new").c_str(), 0700) == 0);
  CHECK_FALSE(directory.write_file("f", "new"));
  CHECK(slurp(directory.path() + "/f") == "old");
  CHECK(reports == 1);
  CHECK(directory.failures() == 2);
  rmdir((directory.path() + "/f.new").c_str());
  CHECK(directory.write_file("f", "new"));
  CHECK(slurp(directory.path() + "/f") == "new");
  REQUIRE(mkdir((directory.path() + "/h").c_str(), 0700) == 0);
  CHECK_FALSE(directory.write_file("h", "new"));
  CHECK(fs::is_directory(directory.path() + "/h"));
  CHECK_FALSE(fs::exists(directory.path() + "/f.new"));
  CHECK_FALSE(fs::exists(directory.path() + "/h.new"));
}

TEST_CASE("records are written over what they were in before") {
  TemporaryDirectory temporary;
  unsigned reports = 0;
  std::optional<SessionDirectory> session;
  SessionDirectory& directory = session.emplace(temporary.path + "/s", "prog", [&](const std::string&) { ++reports; });
  const std::string record = directory.path() + "/r", spare = directory.path() + "/.spare";
  const auto inode = [](const std::string& path) {
    struct stat facts {};
    return lstat(path.c_str(), &facts) == 0 ? facts.st_ino : 0;
  };
  REQUIRE(directory.write_record("r", "one, the longest"));
  const ino_t first = inode(record);
  REQUIRE(directory.write_record("r", "two"));
  const ino_t second = inode(record);
  CHECK(inode(spare) == first);
  REQUIRE(directory.write_record("r", "three"));
  CHECK(inode(record) == first);
  CHECK(inode(spare) == second);
  CHECK(slurp(record) == "three");
  // What others put in the places is neither waited for nor written through.
  const std::string elsewhere = temporary.path + "/elsewhere";
  std::ofstream(elsewhere) << "theirs";
  for (int kind = 0; kind < 6; ++kind) {
    const std::string& place = kind < 3 ? record : spare;
    fs::remove(place);
    if (kind % 3 == 0) REQUIRE(mkfifo(place.c_str(), 0600) == 0);
    if (kind % 3 == 1) REQUIRE(symlink(elsewhere.c_str(), place.c_str()) == 0);
    if (kind % 3 == 2) REQUIRE(link(elsewhere.c_str(), place.c_str()) == 0);
    CHECK(directory.write_record("r", "mine"));
    CHECK(directory.write_record("r", "mine too"));
    CHECK(slurp(record) == "mine too");
    CHECK(slurp(elsewhere) == "theirs");
  }
  CHECK(reports == 0);
  REQUIRE(mkdir((directory.path() + "/d").c_str(), 0700) == 0);
  CHECK_FALSE(directory.write_record("d", "text"));
  CHECK(fs::is_directory(directory.path() + "/d"));
  CHECK(reports == 1);
  CHECK(directory.write_record("r", "last"));
  CHECK(fs::exists(spare));
  session.reset();
  CHECK(slurp(record) == "last");
  CHECK_FALSE(fs::exists(spare));
}

TEST_CASE("an image chain is written down") {
  RecorderOptions options;
  options.stats = true;
  options.verbosity = 1;
  Fixture f(options);
  CHECK(load(f.at("session.json"))["state"] == "running");
  CHECK(f.recorder.process_started(f.summary(10, "/bin/sh")) == f.at("10.0-sh"));
  auto json = load(f.at("10.0-sh/process.json"));
  CHECK(json["state"] == "running");
  CHECK(json["mode"] == "instrumented");
  CHECK(json["started"] == "1970-01-01T00:16:40.500000Z");
  CHECK(json["arguments"] == nlohmann::json({"/bin/sh", "x"}));

  f.recorder.process_started(f.summary(11, "/bin/sh", 10));
  f.recorder.module_mapped(11, {"/proc/self/exe", 0x1000, 0x2000, 0});
  f.recorder.module_mapped(11, {"/proc/self/exe", 0x1000, 0x2000, 0});
  f.run_later();
  json = load(f.at("11.0-sh/process.json"));
  REQUIRE(json["modules"].size() == 1);
  CHECK(json["modules"][0]["start"] == "0x1000");
  CHECK(json["modules"][0].value("build_id", "") == read_build_id("/proc/self/exe"));
  f.recorder.mode_changed(11, false, 2000);
  f.recorder.process_note(11, "a note");
  f.recorder.process_execed(11, {{"blocks", "blocks made", 5}});
  f.recorder.process_started(f.summary(11, "/usr/bin/python3", 10, 1));
  json = load(f.at("11.0-sh/process.json"));
  CHECK(json["state"] == "execed");
  CHECK(json["mode"] == "native");
  CHECK(json["toggles"][0]["on"] == false);
  CHECK(json["counters"]["blocks"] == 5);
  CHECK(json["notes"][0] == "a note");
  CHECK(load(f.at("11.1-python3/process.json"))["previous"] == "11.0-sh");
  f.recorder.process_exited(11, ProcessEnd::kExited, SIGKILL, {{"blocks", "blocks made", 2}});
  json = load(f.at("11.1-python3/process.json"));
  CHECK(json["state"] == "killed");
  CHECK(json["signal"]["name"] == "SIGKILL");
  f.recorder.process_exited(10, ProcessEnd::kExited, 3 << 8, {});
  f.recorder.session_ended(3 << 8);
  f.recorder.finish();
  auto session = load(f.at("session.json"));
  CHECK(session["state"] == "ended");
  CHECK(session["exit_status"] == 3);
  REQUIRE(session["processes"].size() == 3);
  CHECK(session["processes"][1]["parent"] == 10);
  CHECK(session["processes"][2]["state"] == "killed");
  std::string log = slurp(f.at("11.1-python3/log.txt"));
  CHECK(contains(log, "==11== vsup"));
  CHECK(contains(log, "==11== Command: /usr/bin/python3 x\n"));
  CHECK(contains(log, "==11== killed by SIGKILL after "));
  CHECK(contains(log, "--11--                    2  blocks made\n"));
  CHECK(contains(f.said, "==vsup== 2 processes (3 images), "));
  CHECK(contains(f.said, "; results in " + f.directory.path() + "\n"));
  CHECK(contains(f.said, "                   7  blocks made\n"));
  CHECK(contains(f.said, "==vsup== 11.1-python3: killed by SIGKILL"));
}

TEST_CASE("quiet says nothing") {
  RecorderOptions options;
  options.quiet = true;
  Fixture f(options);
  f.recorder.process_started(f.summary(10, "/bin/sh"));
  f.recorder.process_exited(10, ProcessEnd::kExited, 0, {});
  f.recorder.log(LogLevel::kWarning, "hm");
  f.recorder.session_ended(0);
  f.recorder.finish();
  CHECK(f.said.empty());
  CHECK(contains(slurp(f.at("vsup.log")), "hm"));
}

TEST_CASE("bytes that are no UTF-8 do not break the files") {
  Fixture f;
  auto summary = f.summary(10, "/tmp/\xff\xfe");
  summary.arguments = {"\xc3\x28", std::string("nul\0in", 6), "line\nbreak"};
  f.recorder.process_started(summary);
  f.recorder.process_note(10, "\xff");
  f.recorder.process_exited(10, ProcessEnd::kDetached, 0, {});
  f.recorder.finish();
  CHECK(load(f.at("10.0-__/process.json"))["state"] == "detached");
  CHECK(load(f.at("session.json"))["processes"].size() == 1);
  CHECK(contains(slurp(f.at("10.0-__/log.txt")), "line?break"));
}

TEST_CASE("a crash of the agent is told and kept") {
  Fixture f;
  f.recorder.process_started(f.summary(10, "/bin/sh"));
  f.recorder.agent_crashed(10, 12, "rax 0\nrbx 1\n");
  CHECK(contains(f.said, "==10== vsup failed inside this process, thread 12\n"));
  CHECK(contains(f.said, "==10== rbx 1\n"));
  CHECK(load(f.at("10.0-sh/process.json"))["crash"].size() == 3);
}

TEST_CASE("thousands of processes do not rewrite session.json each time") {
  Fixture f;
  for (int i = 1; i <= 2000; ++i) {
    f.recorder.process_started(f.summary(i, "/bin/x"));
    f.recorder.process_exited(i, ProcessEnd::kExited, 0, {});
  }
  CHECK(f.later.size() == 1);
  f.run_later();
  CHECK(load(f.at("session.json"))["processes"].size() == 2000);
}

TEST_CASE("--log-file and --log-fd get copies") {
  TemporaryDirectory temporary;
  RecorderOptions options;
  options.log.pattern = temporary.path + "/log.%p.%n";
  int pipes[2];
  REQUIRE(pipe2(pipes, O_CLOEXEC | O_NONBLOCK) == 0);
  options.log.fd = pipes[1];
  std::ofstream(temporary.path + "/log.10.0") << "old";
  Fixture f(options);
  f.recorder.process_started(f.summary(10, "/bin/sh"));
  f.recorder.process_exited(10, ProcessEnd::kExited, 0, {});
  std::string log = slurp(f.at("10.0-sh/log.txt"));
  CHECK(slurp(temporary.path + "/log.10.0") == log);
  char buffer[4096];
  ssize_t count = read(pipes[0], buffer, sizeof buffer);
  CHECK(std::string(buffer, static_cast<size_t>(std::max<ssize_t>(count, 0))) == log);
  // Nobody reads any more: no signal, no end.
  close(pipes[0]);
  f.recorder.process_started(f.summary(11, "/bin/sh"));
  close(pipes[1]);
}

TEST_CASE("lines and time stamps") {
  CHECK(prefix_lines("12", '=', "a\n\nb\n") == "==12== a\n==12== \n==12== b\n");
  CHECK(prefix_lines("12", '-', "") == "--12-- \n");
  CHECK(prefix_lines("12", '=', "a", 93784.5) == "==01:02:03:04.500 12== a\n");
  CHECK(describe_wait_status(0) == "exited with status 0");
  CHECK(describe_wait_status(SIGSEGV | 0x80) == "killed by SIGSEGV (core dumped)");
  CHECK(describe_wait_status(SIGRTMIN + 1) == "killed by signal 35");
}

TEST_CASE("build ids") {
  CHECK(read_build_id("/nonexistent").empty());
  CHECK(read_build_id("/dev/zero").empty());
  CHECK(read_build_id("/etc/passwd").empty());
  CHECK(read_build_id("/bin/true").size() == 40);
}

}  // namespace

TEST_CASE("a file elsewhere that cannot be written is named as it is") {
  const std::string path = "/tmp/session_directory_elsewhere." + std::to_string(getpid());
  std::vector<std::string> said;
  {
    SessionDirectory directory(path, "program", [&said](const std::string& line) { said.push_back(line); });
    CHECK_FALSE(directory.write_file("/nowhere/at/all", "text"));
  }
  REQUIRE(said.size() == 1);
  CHECK(said[0].starts_with("cannot write /nowhere/at/all: "));
  std::filesystem::remove_all(path);
}

}  // namespace vsup::supervisor
