// Purpose: the control protocol as bytes in and lines out, against an invented session.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "protocol/control.h"
#include "supervisor/control/commands.h"

namespace vsup::supervisor {
namespace {

using Json = nlohmann::json;

class FakeStopped : public StoppedProcess {
 public:
  explicit FakeStopped(pid_t pid) : pid_(pid) {}
  pid_t pid() const override { return pid_; }
  pid_t tid() const override { return pid_; }
  uint64_t generation() const override { return 1; }
  const std::vector<ThreadRegisters>& threads() const override { return threads_; }
  bool read(uint64_t, void*, size_t) const override { return false; }
  bool write(uint64_t, const void*, size_t) override { return false; }
  bool call_agent(uint64_t) override { return false; }

 private:
  pid_t pid_;
  std::vector<ThreadRegisters> threads_;
};

// Serves "weigh", and answers for process 12 when it is told to.
class FakeTool : public ToolReport {
 public:
  void image_started(const ProcessSummary&) override {}
  void records_ready(StoppedProcess&, RecordsMoment) override {}
  void session_finished() override {}
  bool serves(std::string_view name) const override { return name == "weigh"; }
  void request(const ToolRequest& request, StoppedProcess& process, std::function<void(ToolAnswer)> answer) override {
    if (process.pid() != 12) return answer({{}, "too heavy"});
    late = std::move(answer);
    asked = request;
  }

  ToolRequest asked;
  std::function<void(ToolAnswer)> late;
};

class FakeController : public Controller {
 public:
  FakeController() {
    add(10, 0, "/bin/sh", ProcessMode::kInstrumented);
    add(11, 10, "/usr/bin/python3", ProcessMode::kNative);
    add(12, 10, "/usr/bin/python3", ProcessMode::kInstrumented);
    add(13, 10, "/opt/old32", ProcessMode::kNotTraceable);
    list.back().note = "32-bit";
    add(14, 10, "/bin/gone", ProcessMode::kExited);
  }

  void add(pid_t pid, pid_t parent, const char* executable, ProcessMode mode) {
    ProcessSummary process;
    process.pid = pid;
    process.parent = parent;
    process.executable = executable;
    process.arguments = {pid == 12 ? "/x/sage" : executable, "\xff"};
    process.mode = mode;
    process.threads = {{pid, pid == 11 ? "worker" : "main", mode == ProcessMode::kInstrumented},
                       {pid + 100, "aside", false}};
    list.push_back(process);
  }

  std::vector<ProcessSummary> processes() const override { return list; }
  void toggle(bool on, const std::vector<pid_t>& pids, std::function<void(ToggleResult)> done) override {
    toggled_on = on;
    toggled = pids;
    toggle_done = done;
  }
  std::vector<CounterValue> counters(pid_t pid) const override {
    return {{"blocks", "blocks made", static_cast<uint64_t>(pid) * 100}};
  }
  void with_process_stopped(pid_t pid, std::function<void(StoppedProcess*)> visit) override {
    FakeStopped process(pid);
    visit(pid == 10 ? nullptr : &process);
  }
  void with_threads_stopped(pid_t, std::function<void(const std::vector<ThreadRegisters>&)> visit) override {
    visit({});
  }
  unsigned kill(const std::vector<pid_t>& pids) override {
    killed = pids;
    return static_cast<unsigned>(pids.size());
  }
  void detach(const std::vector<pid_t>& pids, std::function<void(unsigned)> done) override {
    detached = pids;
    done(static_cast<unsigned>(pids.size()));
  }

  std::vector<ProcessSummary> list;
  bool toggled_on = false;
  std::vector<pid_t> toggled, killed, detached;
  std::function<void(ToggleResult)> toggle_done;
};

struct Fixture {
  Fixture() {
    context.vsup_pid = 9;
    context.session_directory = "/s";
    context.tool = "none";
    context.command = {"sh", "-c"};
    context.collect_stacks = [this](pid_t pid, std::function<void(std::vector<ThreadStack>)> done) {
      Frame frame;
      frame.address = 0x1234;
      frame.function = "main";
      frame.line = 7;
      frame.file = "a.c";
      ThreadStack stack;
      stack.tid = pid;
      stack.name = "t";
      stack.frames = {frame, Frame{}};
      if (hold_stacks) {
        stacks_done = done;
      } else {
        done({stack});
      }
    };
    conversation = Conversation::begin(context, [this](const std::string& line) {
      REQUIRE(!line.empty());
      CHECK(line.find('\n') == line.size() - 1);
      lines.push_back(Json::parse(line));
    });
  }

  // The last answer.
  Json ask(const std::string& text) {
    lines.clear();
    conversation->feed(text + "\n");
    return lines.empty() ? Json() : lines.back();
  }
  std::string code(const std::string& text) {
    Json answer = ask(text);
    REQUIRE(lines.size() == 1);
    CHECK(answer["ok"] == false);
    CHECK(answer["error"]["message"].get<std::string>().find('\n') == std::string::npos);
    return answer["error"]["code"];
  }

  FakeController controller;
  CommandContext context{controller, {}, 0, {}, {}, {}, 0};
  std::vector<Json> lines;
  bool hold_stacks = false;
  std::function<void(std::vector<ThreadStack>)> stacks_done;
  std::shared_ptr<Conversation> conversation;
};

TEST_CASE("hello") {
  Fixture f;
  f.conversation->say_hello();
  REQUIRE(f.lines.size() == 1);
  CHECK(f.lines[0]["hello"] == "vsup");
  CHECK(f.lines[0]["protocol"] == protocol::kControlVersion);
  CHECK(f.lines[0]["pid"] == 9);
  CHECK(f.lines[0]["session"] == "/s");
}

TEST_CASE("list and status") {
  Fixture f;
  Json answer = f.ask(R"({"id": "a", "request": "list", "future": [1]})");
  CHECK(answer["id"] == "a");
  CHECK(answer["ok"] == true);
  CHECK(answer["result"]["session"]["command"][0] == "sh");
  REQUIRE(answer["result"]["processes"].size() == 5);
  CHECK(answer["result"]["processes"][3]["note"] == "32-bit");
  CHECK(answer["result"]["processes"][0]["threads"][0]["instrumented"] == true);
  answer = f.ask(R"({"id": 2, "request": "status", "targets": ["python3"]})");
  REQUIRE(answer["result"]["processes"].size() == 2);
  CHECK(answer["result"]["processes"][1]["counters"][0]["value"] == 1200);
  CHECK(f.ask(R"({"id": 2, "request": "status"})")["result"]["processes"].size() == 4);
  for (const char* name : {"sage", "worker"}) {
    answer = f.ask(R"({"id": 2, "request": "status", "targets": [")" + std::string(name) + "\"]}");
    CHECK(answer["result"]["processes"].size() == 1);
  }
  CHECK(f.code(R"({"id": 2, "request": "status", "targets": ["aside"]})") == protocol::kErrorNoSuchProcess);
  CHECK(f.code(R"({"id": 2, "request": "status", "targets": [""]})") == protocol::kErrorNoSuchProcess);
}

TEST_CASE("toggle answers when all threads have moved") {
  Fixture f;
  CHECK(f.ask(R"({"id": 1, "request": "toggle", "on": false})").is_null());
  CHECK_FALSE(f.controller.toggled_on);
  CHECK(f.controller.toggled.empty());
  CHECK(f.conversation->pending() == 1);
  f.ask(R"({"id": 2, "request": "list"})");
  CHECK(f.lines.back()["id"] == 2);
  f.controller.toggle_done({2, 5, 1.25});
  CHECK(f.lines.back() ==
        Json::parse(R"({"id":1,"ok":true,"result":{"processes":2,"threads":5,"milliseconds":1.25}})"));
  f.ask(R"({"id": 3, "request": "toggle", "on": true, "targets": [12, "sh", 12]})");
  CHECK(f.controller.toggled == std::vector<pid_t>{10, 12});
  // The client has gone.
  f.conversation.reset();
  f.lines.clear();
  f.controller.toggle_done({});
  CHECK(f.lines.empty());
}

TEST_CASE("stacks stream progress") {
  Fixture f;
  Json answer = f.ask(R"({"id": 1, "request": "stacks", "targets": [10, 11]})");
  REQUIRE(f.lines.size() == 2);
  CHECK(f.lines[0] == Json::parse(R"({"id":1,"progress":{"done":1,"total":2}})"));
  REQUIRE(answer["result"]["processes"].size() == 2);
  const Json& frames = answer["result"]["processes"][1]["threads"][0]["frames"];
  CHECK(frames[0]["address"] == "0x1234");
  CHECK(frames[0]["function"] == "main");
  CHECK(frames[0]["line"] == 7);
  CHECK(frames[1].size() == 1);
  f.hold_stacks = true;
  f.ask(R"({"id": 1, "request": "stacks", "targets": [10]})");
  f.conversation.reset();
  f.stacks_done({});
}

TEST_CASE("what only the tool knows is asked of it, process by process") {
  Fixture f;
  CHECK(f.code(R"({"id": 1, "request": "weigh"})") == protocol::kErrorUnknownRequest);
  FakeTool tool;
  f.context.report = &tool;
  CHECK(f.code(R"({"id": 1, "request": "other"})") == protocol::kErrorUnknownRequest);
  CHECK(f.code(R"({"id": 1, "request": "weigh", "targets": ["nobody"]})") == protocol::kErrorNoSuchProcess);
  f.ask(R"({"id": 2, "request": "weigh", "how": "fast"})");
  REQUIRE(tool.late);
  CHECK(Json::parse(tool.asked.line)["how"] == "fast");
  CHECK(tool.asked.process.pid == 12);
  CHECK(f.lines.back()["progress"]["done"] == 2);
  tool.late({R"({"grams": 5})", {}});
  Json rows = f.lines.back()["result"]["processes"];
  REQUIRE(rows.size() == 4);
  CHECK(rows[0]["error"] == "the process has gone");
  CHECK(rows[1]["error"] == "too heavy");
  CHECK(rows[2]["result"]["grams"] == 5);
  CHECK(rows[3]["error"] == "not instrumented: 32-bit");
}

TEST_CASE("kill and detach") {
  Fixture f;
  CHECK(f.ask(R"({"id": 1, "request": "kill", "targets": [11]})")["result"]["processes"] == 1);
  CHECK(f.controller.killed == std::vector<pid_t>{11});
  CHECK(f.ask(R"({"id": 1, "request": "detach"})")["result"]["processes"] == 4);
  CHECK(f.controller.detached.size() == 4);
}

TEST_CASE("what cannot be done is refused with a code") {
  Fixture f;
  CHECK(f.code("hello") == protocol::kErrorBadJson);
  CHECK(f.code("[]") == protocol::kErrorBadJson);
  CHECK(f.code("{\"id\":1,\"request\":\"\xff\"}") == protocol::kErrorBadJson);
  CHECK(f.code("{}") == protocol::kErrorBadRequest);
  CHECK(f.code(R"({"id": 1.5, "request": "list"})") == protocol::kErrorBadRequest);
  CHECK(f.code(R"({"id": ")" + std::string(129, 'x') + R"(", "request": "list"})") == protocol::kErrorBadRequest);
  CHECK(f.code(R"({"id": 1})") == protocol::kErrorBadRequest);
  CHECK(f.code(R"({"id": 1, "request": 5})") == protocol::kErrorBadRequest);
  CHECK(f.code(R"({"id": 1, "request": "dance"})") == protocol::kErrorUnknownRequest);
  CHECK(f.code(R"({"id": 1, "request": "toggle"})") == protocol::kErrorBadRequest);
  CHECK(f.code(R"({"id": 1, "request": "toggle", "on": "yes"})") == protocol::kErrorBadRequest);
  CHECK(f.code(R"({"id": 1, "request": "toggle", "on": true, "targets": 5})") == protocol::kErrorBadRequest);
  CHECK(f.code(R"({"id": 1, "request": "kill", "targets": {}})") == protocol::kErrorBadRequest);
  CHECK(f.code(R"({"id": 1, "request": "kill", "targets": [null]})") == protocol::kErrorBadRequest);
  CHECK(f.code(R"({"id": 1, "request": "kill", "targets": [99]})") == protocol::kErrorNoSuchProcess);
  CHECK(f.code(R"({"id": 1, "request": "kill", "targets": [14]})") == protocol::kErrorNoSuchProcess);
  CHECK(f.code(R"({"id": 1, "request": "kill", "targets": ["pyth"]})") == protocol::kErrorNoSuchProcess);
  CHECK(f.code(R"({"id": 1, "request": "kill", "targets": [-1]})") == protocol::kErrorNoSuchProcess);
  CHECK(f.code(R"({"id": 1, "request": "kill", "targets": [18446744073709551615]})") == protocol::kErrorNoSuchProcess);
  CHECK(f.code(R"({"id": 1, "request": "toggle", "on": true, "targets": [13]})") == protocol::kErrorNotTraceable);
  CHECK(f.controller.killed.empty());
  CHECK(f.conversation->pending() == 0);
}

TEST_CASE("lines may come in any pieces, and too long ones are skipped") {
  Fixture f;
  std::string text = "{\"id\":1,\"request\":\"list\"}\r\n\n{\"id\":2,\"request\":\"list\"}\n";
  for (char c : text) f.conversation->feed({&c, 1});
  CHECK(f.lines.size() == 2);
  f.lines.clear();
  f.conversation->feed(text + text);
  CHECK(f.lines.size() == 4);
  f.lines.clear();
  std::string part(10000, 'x');
  for (int i = 0; i < 20; ++i) f.conversation->feed(part);
  REQUIRE(f.lines.size() == 1);
  CHECK(f.lines[0]["error"]["code"] == protocol::kErrorLineTooLong);
  f.conversation->feed("\n" + text);
  CHECK(f.lines.size() == 3);
  // Exactly at the limit is still a line.
  f.lines.clear();
  f.conversation->feed(std::string(protocol::kLongestLine, '[') + "\n");
  REQUIRE(f.lines.size() == 1);
  CHECK(f.lines[0]["error"]["code"] == protocol::kErrorBadJson);
}

TEST_CASE("a client cannot have any number of requests under way") {
  Fixture f;
  for (size_t i = 0; i < protocol::kMostPendingRequests; ++i) f.ask(R"({"id": 1, "request": "toggle", "on": true})");
  CHECK(f.code(R"({"id": 2, "request": "list"})") == protocol::kErrorTooManyRequests);
  f.lines.clear();
  f.conversation->end_session();
  CHECK(f.lines.size() == protocol::kMostPendingRequests);
  CHECK(f.lines[0]["error"]["code"] == protocol::kErrorSessionEnded);
  f.lines.clear();
  f.controller.toggle_done({});
  CHECK(f.lines.empty());
}

}  // namespace
}  // namespace vsup::supervisor
