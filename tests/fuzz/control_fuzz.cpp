// Purpose: bytes of a hostile client against the control protocol: mutated corpus files, fed in random pieces.
// Usage: control_fuzz --seconds=N --corpus=DIR [--seed=N] [FILE]; with FILE only this input, as a whole.
// A failing input is in ./control_fuzz.failed, also after a crash; the last line of output is the command to repeat it.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <random>

#include "protocol/control.h"
#include "supervisor/control/commands.h"
#include "tests/harness/fuzz.h"

namespace {

using namespace vsup;
using namespace vsup::supervisor;
using Random = std::mt19937_64;

constexpr char kFailedName[] = "control_fuzz.failed";
constexpr size_t kLongestInput = size_t{256} << 10;

// A session that answers now, later or never.
class FakeController : public Controller {
 public:
  explicit FakeController(Random& random) : random_(random) {
    ProcessMode modes[] = {ProcessMode::kInstrumented, ProcessMode::kNative, ProcessMode::kNotTraceable,
                           ProcessMode::kExited};
    for (int i = 0; i < 8; ++i) {
      ProcessSummary process;
      process.pid = 10 + i;
      process.parent = i == 0 ? 0 : 10 + i / 2;
      process.executable = i % 2 ? "/bin/sh" : "/bin/\xff\xc3";
      process.arguments = {"sh", std::string("\0\x80", 2)};
      process.mode = modes[i % 4];
      process.threads = {{10 + i, "t\n", true}};
      processes_.push_back(process);
    }
  }

  std::vector<ProcessSummary> processes() const override { return processes_; }
  void toggle(bool, const std::vector<pid_t>& pids, std::function<void(ToggleResult)> done) override {
    check(pids);
    later([done] { done({1, 2, 3.5}); });
  }
  std::vector<CounterValue> counters(pid_t) const override { return {{"a", "b", ~uint64_t{0}}}; }
  void with_process_stopped(pid_t, std::function<void(StoppedProcess*)> visit) override { visit(nullptr); }
  void with_threads_stopped(pid_t, std::function<void(const std::vector<ThreadRegisters>&)> visit) override {
    visit({});
  }
  unsigned kill(const std::vector<pid_t>& pids) override {
    check(pids);
    return static_cast<unsigned>(pids.size());
  }
  void detach(const std::vector<pid_t>& pids, std::function<void(unsigned)> done) override {
    check(pids);
    later([done] { done(1); });
  }

  void later(std::function<void()> action) {
    switch (random_() % 3) {
      case 0:
        return action();
      case 1:
        return waiting_.push_back(std::move(action));
      default:
        return;
    }
  }

  void run_waiting() {
    auto actions = std::move(waiting_);
    waiting_.clear();
    for (auto& action : actions) action();
  }

 private:
  // Invariant: only live processes of this session are ever acted on.
  void check(const std::vector<pid_t>& pids) {
    for (pid_t pid : pids) {
      bool known = std::any_of(processes_.begin(), processes_.end(), [pid](const ProcessSummary& process) {
        return process.pid == pid && process.mode != ProcessMode::kExited;
      });
      if (!known) std::abort();
    }
  }

  Random& random_;
  std::vector<ProcessSummary> processes_;
  std::vector<std::function<void()>> waiting_;
};

const char* check_answer(const std::string& text) {
  if (text.empty() || text.find('\n') != text.size() - 1) return "an answer is not one line";
  nlohmann::json answer = nlohmann::json::parse(text, nullptr, false);
  if (!answer.is_object()) return "an answer is not a JSON object";
  if (!answer.contains("id")) return "an answer has no id";
  if (answer.contains("progress")) return nullptr;
  if (!answer.contains("ok") || !answer["ok"].is_boolean()) return "an answer has no ok";
  if (answer["ok"] == true) return answer.contains("result") ? nullptr : "an answer has no result";
  const auto& error = answer["error"];
  bool complete = error.is_object() && error["code"].is_string() && error["message"].is_string();
  return complete ? nullptr : "an error has no code or message";
}

// The input as it is tried, in a mapped file: there after a crash, too.
class Evidence {
 public:
  Evidence() {
    int fd = open(kFailedName, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || ftruncate(fd, kLongestInput) != 0) std::abort();
    bytes_ = static_cast<char*>(mmap(nullptr, kLongestInput, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    close(fd);
    if (bytes_ == MAP_FAILED) std::abort();
  }
  // The file is padded with zero bytes up to its size: one more line for the parser.
  void keep(const std::string& input) {
    size_t size = std::min(input.size(), kLongestInput);
    std::memcpy(bytes_, input.data(), size);
    std::memset(bytes_ + size, 0, std::max(size, last_) - size);
    last_ = size;
  }
  void trim() { truncate(kFailedName, static_cast<off_t>(last_)); }
  void remove() { unlink(kFailedName); }

 private:
  char* bytes_ = nullptr;
  size_t last_ = 0;
};

// Null when all went well.
const char* try_input(const std::string& input, Random& random, bool in_pieces) {
  FakeController controller(random);
  CommandContext context{controller, {}, 1, "/s", "none", {"x"}, 0};
  context.collect_stacks = [&](pid_t, std::function<void(std::vector<ThreadStack>)> done) {
    controller.later([done] {
      ThreadStack stack;
      stack.name = "\xfe";
      stack.frames.resize(2);
      stack.frames[0].function = "f\xff";
      done({stack});
    });
  };
  const char* failure = nullptr;
  auto conversation = Conversation::begin(context, [&](const std::string& line) {
    if (const char* bad = check_answer(line)) failure = bad;
  });
  for (size_t at = 0; at < input.size();) {
    size_t size = in_pieces ? 1 + random() % (random() % 2 ? 8 : 8192) : input.size();
    size = std::min(size, input.size() - at);
    conversation->feed(std::string_view(input).substr(at, size));
    at += size;
    if (random() % 4 == 0) controller.run_waiting();
  }
  // Whatever came before, a good request is understood.
  bool answered = false;
  conversation->feed("\n");
  if (random() % 4 == 0) conversation->end_session();
  bool full = conversation->pending() >= protocol::kMostPendingRequests;
  auto probe = Conversation::begin(context, [&](const std::string& line) {
    answered = line.find("\"id\":\"probe\",\"ok\":true") != std::string::npos;
  });
  probe->feed("{\"id\":\"probe\",\"request\":\"list\"}\n");
  if (!answered) return "a good request was not answered";
  if (conversation->pending() > protocol::kMostPendingRequests) return "too many requests are under way";
  if (!full && random() % 2) conversation.reset();
  controller.run_waiting();
  return failure;
}

std::string mutate(std::string text, const std::vector<std::string>& corpus, Random& random) {
  static const char* const kWords[] = {"{",
                                       "}",
                                       "[",
                                       "]",
                                       "\"",
                                       ":",
                                       ",",
                                       "\n",
                                       "\\u0000",
                                       "\\ud800",
                                       "null",
                                       "true",
                                       "false",
                                       "-1",
                                       "1e999",
                                       "1.5",
                                       "\"id\":",
                                       "\"request\":",
                                       "\"list\"",
                                       "\"toggle\"",
                                       "\"targets\":[",
                                       "\"on\":",
                                       "18446744073709551616",
                                       "-9223372036854775809",
                                       "\xff",
                                       "\xef\xbb\xbf"};
  size_t rounds = 1 + random() % 8;
  for (size_t i = 0; i < rounds; ++i) {
    size_t at = text.empty() ? 0 : random() % text.size();
    switch (random() % 9) {
      case 0:
        if (!text.empty()) text[at] = static_cast<char>(random());
        break;
      case 1:
        if (!text.empty()) text[at] = static_cast<char>(text[at] ^ (1 << random() % 8));
        break;
      case 2:
        if (!text.empty()) text.erase(at, 1 + random() % 16);
        break;
      case 3:
        text.insert(at, kWords[random() % std::size(kWords)]);
        break;
      case 4: {
        const std::string& other = corpus[random() % corpus.size()];
        if (!other.empty()) {
          size_t from = random() % other.size();
          text.insert(at, other, from, 1 + random() % 200);
        }
        break;
      }
      case 5:
        if (!text.empty()) text.insert(at, text.substr(random() % text.size(), 1 + random() % 100));
        break;
      case 6:
        text += corpus[random() % corpus.size()];
        break;
      case 7:
        if (random() % 32 == 0) text.insert(at, std::string(random() % 100000, "[{ax"[random() % 4]));
        break;
      default:
        text.insert(at, 1, static_cast<char>(random()));
    }
    if (text.size() > kLongestInput) text.resize(kLongestInput);
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  fuzz::Settings settings;
  if (!fuzz::parse(argc, argv, settings)) return 1;
  Random random(settings.seed);
  if (!settings.single.empty()) return fuzz::report(settings, try_input(fuzz::slurp(settings.single), random, false));
  std::vector<std::string> corpus = fuzz::read_corpus(settings.corpus);
  if (corpus.empty()) corpus.emplace_back("{\"id\":1,\"request\":\"list\"}\n");

  Evidence evidence;
  std::printf("seed %llu, %zu corpus files\n", static_cast<unsigned long long>(settings.seed), corpus.size());
  std::fflush(stdout);
  auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(settings.seconds);
  size_t count = 0;
  for (; std::chrono::steady_clock::now() < end; ++count) {
    std::string input = corpus[count % corpus.size()];
    if (count >= corpus.size()) input = mutate(std::move(input), corpus, random);
    evidence.keep(input);
    if (const char* failure = try_input(input, random, count >= corpus.size())) {
      evidence.trim();
      std::printf("failed after %zu inputs: %s\n%s %s\n", count, failure, argv[0], kFailedName);
      return 1;
    }
  }
  evidence.remove();
  std::printf("%zu inputs, no failure\n", count);
  return 0;
}
