#include <doctest/doctest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <random>
#include <string>

#include "protocol/agent_boot.h"
#include "supervisor/symbols/thread_stacks.h"

using namespace vsup::supervisor;

namespace unwind_test {

[[gnu::noinline]] void stop_here() {
  raise(SIGSTOP);
  asm volatile("" ::: "memory");
}

template <int N>
[[gnu::noinline]] void descend() {
  if constexpr (N == 0) {
    stop_here();
  } else {
    descend<N - 1>();
  }
  asm volatile("" ::: "memory");
}

[[gnu::noinline]] void recurse(unsigned depth) {
  if (depth == 0) {
    stop_here();
  } else {
    recurse(depth - 1);
  }
  asm volatile("" ::: "memory");
}

void handler(int) {
  stop_here();
  asm volatile("" ::: "memory");
}

[[gnu::noinline]] void interrupted() {
  raise(SIGUSR1);
  asm volatile("" ::: "memory");
}

// Assembly that nothing describes: no tables, no frame pointer.
extern "C" void unwind_test_stop() {
  stop_here();
}
extern "C" void unwind_test_bare_outer();
asm(R"(
  .pushsection .text
  .type unwind_test_bare_inner, @function
unwind_test_bare_inner:
  sub $40, %rsp
  call unwind_test_stop
  add $40, %rsp
  ret
  .size unwind_test_bare_inner, . - unwind_test_bare_inner
  .type unwind_test_bare_outer, @function
unwind_test_bare_outer:
  push %rbp
  mov $1, %ebp
  call unwind_test_bare_inner
  pop %rbp
  ret
  .size unwind_test_bare_outer, . - unwind_test_bare_outer
  .popsection
)");

[[gnu::noinline]] void call_bare() {
  unwind_test_bare_outer();
  asm volatile("" ::: "memory");
}

[[gnu::noinline]] void call_null() {
  void (*volatile target)() = nullptr;
  target();
  asm volatile("" ::: "memory");
}

}  // namespace unwind_test

namespace {

ThreadRegisters registers_of(pid_t pid) {
  user_regs_struct regs{};
  REQUIRE(ptrace(PTRACE_GETREGS, pid, nullptr, &regs) == 0);
  ThreadRegisters result;
  result.tid = pid;
  result.name = "child";
  const unsigned long long values[16] = {regs.rax, regs.rcx, regs.rdx, regs.rbx, regs.rsp, regs.rbp,
                                         regs.rsi, regs.rdi, regs.r8,  regs.r9,  regs.r10, regs.r11,
                                         regs.r12, regs.r13, regs.r14, regs.r15};
  for (int i = 0; i < 16; i++) result.gpr[i] = values[i];
  result.pc = regs.rip;
  return result;
}

// A child that runs `body` until the signal `stop`, and stands still then.
class StoppedChild {
 public:
  StoppedChild(void (*body)(), int stop) {
    pid_ = fork();
    if (pid_ == 0) {
      ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      body();
      _exit(0);
    }
    int status = 0;
    while (waitpid(pid_, &status, 0) == pid_ && WIFSTOPPED(status) && WSTOPSIG(status) != stop) {
      ptrace(PTRACE_CONT, pid_, nullptr, WSTOPSIG(status));
    }
    REQUIRE(WIFSTOPPED(status));
  }
  ~StoppedChild() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

std::vector<std::string> functions(pid_t pid) {
  Symbolizer symbolizer;
  std::vector<std::string> names;
  auto stacks = symbolize_stacks(walk_stacks(pid, {registers_of(pid)}), symbolizer);
  REQUIRE(stacks.size() == 1);
  for (const auto& frame : stacks[0].frames) names.push_back(frame.function);
  return names;
}

size_t index_of(const std::vector<std::string>& names, const std::string& name) {
  for (size_t i = 0; i < names.size(); i++) {
    if (names[i] == name) return i;
  }
  FAIL("no frame " << name);
  return 0;
}

class FakeController : public Controller {
 public:
  std::vector<ProcessSummary> processes() const override { return {}; }
  void toggle(bool, const std::vector<pid_t>&, std::function<void(ToggleResult)>) override {}
  std::vector<CounterValue> counters(pid_t) const override { return {}; }
  void with_process_stopped(pid_t, std::function<void(StoppedProcess*)> visit) override { visit(nullptr); }
  void with_threads_stopped(pid_t pid, std::function<void(const std::vector<ThreadRegisters>&)> visit) override {
    visit({registers_of(pid)});
  }
  unsigned kill(const std::vector<pid_t>&) override { return 0; }
  void detach(const std::vector<pid_t>&, std::function<void(unsigned)>) override {}
};

}  // namespace

TEST_CASE("remote_unwind: a known chain of calls") {
  StoppedChild child([] { unwind_test::descend<4>(); }, SIGSTOP);
  auto names = functions(child.pid());
  size_t at = index_of(names, "unwind_test::stop_here()");
  REQUIRE(names.size() > at + 6);
  CHECK(names[at + 1] == "void unwind_test::descend<0>()");
  CHECK(names[at + 2] == "void unwind_test::descend<1>()");
  CHECK(names[at + 3] == "void unwind_test::descend<2>()");
  CHECK(names[at + 4] == "void unwind_test::descend<3>()");
  CHECK(names[at + 5] == "void unwind_test::descend<4>()");
  CHECK(index_of(names, "main") > at + 5);
  // The C library's start code ends the stack.
  CHECK(names.back().find("start") != std::string::npos);
}

TEST_CASE("remote_unwind: through a signal handler") {
  StoppedChild child(
      [] {
        signal(SIGUSR1, unwind_test::handler);
        unwind_test::interrupted();
      },
      SIGSTOP);
  auto names = functions(child.pid());
  size_t at = index_of(names, "unwind_test::handler(int)");
  CHECK(index_of(names, "unwind_test::interrupted()") > at + 1);
  CHECK(index_of(names, "main") > at);
}

TEST_CASE("remote_unwind: a handler on its own stack") {
  StoppedChild child(
      [] {
        stack_t stack{};
        stack.ss_size = 64 << 10;
        stack.ss_sp = mmap(nullptr, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        sigaltstack(&stack, nullptr);
        struct sigaction action {};
        action.sa_handler = unwind_test::handler;
        action.sa_flags = SA_ONSTACK;
        sigaction(SIGUSR1, &action, nullptr);
        unwind_test::interrupted();
      },
      SIGSTOP);
  auto names = functions(child.pid());
  CHECK(index_of(names, "unwind_test::interrupted()") > index_of(names, "unwind_test::handler(int)"));
  CHECK(index_of(names, "main") > 0);
}

TEST_CASE("remote_unwind: a call through a null pointer") {
  StoppedChild child([] { unwind_test::call_null(); }, SIGSEGV);
  auto names = functions(child.pid());
  REQUIRE(names.size() > 2);
  CHECK(names[0].empty());
  CHECK(names[1] == "unwind_test::call_null()");
  CHECK(index_of(names, "main") > 1);
}

TEST_CASE("remote_unwind: code without tables and frame pointers") {
  StoppedChild child([] { unwind_test::call_bare(); }, SIGSTOP);
  auto names = functions(child.pid());
  size_t at = index_of(names, "unwind_test_bare_inner");
  REQUIRE(names.size() > at + 2);
  CHECK(names[at + 1] == "unwind_test_bare_outer");
  CHECK(names[at + 2] == "unwind_test::call_bare()");
#ifndef __SANITIZE_ADDRESS__  // whose functions find their frames by rbp, which is lost
  CHECK(index_of(names, "main") > at);
#endif
  RemoteUnwinder unwinder(child.pid());
  auto frames = unwinder.unwind(registers_of(child.pid()));
  CHECK(std::count_if(frames.begin(), frames.end(), [](const RawFrame& frame) { return frame.guessed; }) >= 2);
}

TEST_CASE("remote_unwind: endless recursion ends at the limit") {
  StoppedChild child([] { unwind_test::recurse(2000); }, SIGSTOP);
  RemoteUnwinder unwinder(child.pid());
  CHECK(unwinder.unwind(registers_of(child.pid())).size() == RemoteUnwinder::kMaxFrames);
}

TEST_CASE("remote_unwind: garbage registers and garbage stacks") {
  StoppedChild child([] { unwind_test::descend<2>(); }, SIGSTOP);
  ThreadRegisters good = registers_of(child.pid());
  RemoteUnwinder unwinder(child.pid());
  std::mt19937_64 random(3);
  for (int round = 0; round < 3000; round++) {
    ThreadRegisters bad = good;
    for (auto& value : bad.gpr) {
      if (random() % 2) value = random() >> (random() % 64);
    }
    if (random() % 2) bad.gpr[vsup::protocol::kRsp] = good.gpr[vsup::protocol::kRsp] + random() % 4096;
    if (random() % 4 == 0) bad.gpr[vsup::protocol::kRbp] = good.gpr[vsup::protocol::kRsp] + random() % 256;
    const auto& modules = unwinder.modules().modules();
    const auto& module = modules[random() % modules.size()];
    if (random() % 2) bad.pc = module.start + random() % (module.end - module.start);
    auto frames = unwinder.unwind(bad);
    CHECK(frames.size() >= 1);
    CHECK(frames.size() <= RemoteUnwinder::kMaxFrames);
  }
  CHECK(RemoteUnwinder(999999999).unwind(good).size() == 1);
}

TEST_CASE("thread_stacks: through the controller, in place and on the worker") {
  StoppedChild child([] { unwind_test::descend<1>(); }, SIGSTOP);
  FakeController controller;
  std::vector<ThreadStack> in_place, on_worker;
  collect_thread_stacks(controller, child.pid(),
                        [&](std::vector<ThreadStack> stacks) { in_place = std::move(stacks); });
  REQUIRE(in_place.size() == 1);
  CHECK(in_place[0].tid == child.pid());
  CHECK(in_place[0].name == "child");
  CHECK(in_place[0].frames.size() > 4);

  std::mutex mutex;
  std::condition_variable wake;
  SymbolWorker::Task posted;
  SymbolWorker worker([&](SymbolWorker::Task task) {
    std::lock_guard lock(mutex);
    posted = std::move(task);
    wake.notify_one();
  });
  collect_thread_stacks(controller, worker, child.pid(),
                        [&](std::vector<ThreadStack> stacks) { on_worker = std::move(stacks); });
  std::unique_lock lock(mutex);
  REQUIRE(wake.wait_for(lock, std::chrono::seconds(30), [&] { return static_cast<bool>(posted); }));
  posted();
  REQUIRE(on_worker.size() == 1);
  REQUIRE(on_worker[0].frames.size() == in_place[0].frames.size());
  for (size_t i = 0; i < in_place[0].frames.size(); i++) {
    CHECK(on_worker[0].frames[i].function == in_place[0].frames[i].function);
  }
}
