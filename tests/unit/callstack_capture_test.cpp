#define UNW_LOCAL_ONLY
#include <doctest/doctest.h>
#include <libunwind.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "agent/callstack/stack_depot.h"
#include "agent/callstack/unwind.h"
#include "supervisor/symbols/stack_reader.h"
#include "tests/harness/own_stack.h"

using namespace vsup::supervisor;
using namespace vsup::protocol;
using vsup::agent::WalkCache;

namespace {

struct TwoStacks {
  std::vector<CapturedFrame> ours;
  std::vector<uint64_t> theirs;
};

// Both from here; the innermost frames are two calls in this function.
[[gnu::noinline]] TwoStacks take_both() {
  TwoStacks both;
  uint32_t id = vsup_capture_here(kMaxStackDepth);
  unw_context_t context;
  unw_getcontext(&context);
  unw_cursor_t cursor;
  unw_init_local(&cursor, &context);
  do {
    unw_word_t pc = 0;
    unw_get_reg(&cursor, UNW_REG_IP, &pc);
    if (pc == 0) break;
    both.theirs.push_back(pc);
  } while (unw_step(&cursor) > 0);
  both.ours = StackReader::of_process(getpid()).frames(id);
  return both;
}

void check_same(const TwoStacks& both) {
  REQUIRE(both.ours.size() > 3);
  CHECK(both.ours.size() == both.theirs.size());
  for (size_t i = 1; i < std::min(both.ours.size(), both.theirs.size()); i++) {
    CAPTURE(i);
    CHECK(both.ours[i].value == both.theirs[i]);
    CHECK(both.ours[i].kind != kFrameGuessed);
  }
}

[[gnu::noinline]] TwoStacks recurse(int depth) {
  TwoStacks result = depth == 0 ? take_both() : recurse(depth - 1);
  asm volatile("" ::: "memory");
  return result;
}

[[gnu::noinline]] TwoStacks with_alloca(size_t size) {
  auto* room = static_cast<volatile char*>(__builtin_alloca(size));
  room[0] = 1;
  TwoStacks result = take_both();
  room[size - 1] = room[0];
  return result;
}

[[gnu::noinline]] TwoStacks realigned(size_t size) {
  alignas(64) volatile char room[128];
  room[0] = 1;
  TwoStacks result = with_alloca(size + static_cast<size_t>(room[0]));
  room[127] = 2;
  return result;
}

TwoStacks from_callback;

int compare_and_take(const void*, const void*) {
  if (from_callback.ours.empty()) from_callback = take_both();
  return 0;
}

void handler(int) {
  from_callback = take_both();
}

struct TakesInDestructor {
  ~TakesInDestructor() { from_callback = take_both(); }
};

[[gnu::noinline]] void throws() {
  TakesInDestructor taker;
  throw std::runtime_error("on the way");
}

}  // namespace

TEST_CASE("callstack: equal to libunwind's through recursion, callbacks, odd frames, signals and unwinding") {
  REQUIRE(own_stack::update_tables());
  check_same(recurse(0));
  check_same(recurse(40));
  check_same(with_alloca(5000));
  check_same(realigned(100));

  from_callback = {};
  int numbers[] = {3, 1, 2};
  qsort(numbers, 3, sizeof numbers[0], &compare_and_take);
  check_same(from_callback);

  from_callback = {};
  std::function<TwoStacks(int)> nested = [&nested](int depth) { return depth == 0 ? take_both() : nested(depth - 1); };
  check_same(nested(5));

  signal(SIGUSR1, &handler);
  from_callback = {};
  raise(SIGUSR1);
  check_same(from_callback);
  auto interrupted = std::ranges::count(from_callback.ours, kFrameExact, &CapturedFrame::kind);
  CHECK(interrupted == 1);

  static char alternate[65536];
  stack_t stack{.ss_sp = alternate, .ss_flags = 0, .ss_size = sizeof alternate};
  stack_t before{};
  REQUIRE(sigaltstack(&stack, &before) == 0);
  struct sigaction action {};
  action.sa_handler = &handler;
  action.sa_flags = SA_ONSTACK;
  REQUIRE(sigaction(SIGUSR1, &action, nullptr) == 0);
  from_callback = {};
  raise(SIGUSR1);
  check_same(from_callback);
  sigaltstack(&before, nullptr);
  signal(SIGUSR1, SIG_DFL);

  from_callback = {};
  CHECK_THROWS(throws());
  check_same(from_callback);

  TwoStacks in_thread;
  std::thread([&in_thread] { in_thread = recurse(3); }).join();
  check_same(in_thread);
}

TEST_CASE("callstack: depth, sharing of nodes, the same id for the same stack") {
  REQUIRE(own_stack::update_tables());
  std::vector<uint32_t> ids;
  for (int i = 0; i < 3; i++) ids.push_back(vsup_capture_here(64));
  CHECK(ids[0] == ids[1]);
  CHECK(ids[1] == ids[2]);
  uint32_t shallow = vsup_capture_here(2);
  StackReader reader = StackReader::of_process(getpid());
  CHECK(reader.frames(shallow).size() == 2);
  CHECK(vsup_capture_here(0) == 0);
  // Another call in this function: all but the innermost frame is shared.
  CHECK(reader.parent(ids[0]) != 0);
  uint32_t other = vsup_capture_here(64);
  CHECK(other != ids[0]);
  CHECK(StackReader::of_process(getpid()).parent(other) == reader.parent(ids[0]));
  CHECK(reader.frames(0).empty());
  CHECK(reader.frames(UINT32_MAX).empty());
}

TEST_CASE("callstack: threads interning the same stacks get the same ids, and a fork's child goes on with them") {
  REQUIRE(own_stack::update_tables());
  constexpr uint64_t kStacks = 3000;
  auto intern = [](uint64_t which) {
    uint64_t frames[6] = {0x1000 + which, 0x2000 + which / 7, 0x3000 + which / 49, 0x4000, 0x5000, 0x6000};
    return vsup::agent::intern_stack(frames, 6);
  };
  std::vector<std::vector<uint32_t>> ids(4, std::vector<uint32_t>(kStacks));
  std::vector<std::thread> threads;
  for (size_t t = 0; t < ids.size(); t++) {
    threads.emplace_back([&ids, &intern, t] {
      for (uint64_t i = 0; i < kStacks; i++) {
        uint64_t which = t % 2 == 0 ? i : kStacks - 1 - i;
        ids[t][which] = intern(which);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& list : ids) CHECK(list == ids[0]);
  CHECK(std::set<uint32_t>(ids[0].begin(), ids[0].end()).size() == kStacks);
  StackReader reader = StackReader::of_process(getpid());
  auto frames = reader.frames(ids[0][1234]);
  REQUIRE(frames.size() == 6);
  CHECK(frames[0].value == 0x1000 + 1234);
  CHECK(frames[5].value == 0x6000);

  pid_t child = fork();
  if (child == 0) _exit(intern(77) == ids[0][77] ? 0 : 1);
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
}

TEST_CASE("callstack: nonsense ends a walk") {
  REQUIRE(own_stack::update_tables());
  struct sigaction action {
  }, before{};
  action.sa_sigaction = &own_stack::mend_fault;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, &before);
  sigaction(SIGBUS, &action, nullptr);
  auto here = reinterpret_cast<uint64_t>(&take_both) + 8;
  uint64_t noise[64];
  std::srand(5);
  for (int round = 0; round < 20000; round++) {
    for (uint64_t& word : noise) {
      switch (std::rand() % 4) {
        case 0:
          word = reinterpret_cast<uint64_t>(&noise[std::rand() % 64]);
          break;
        case 1:
          word = here + static_cast<uint64_t>(std::rand() % 100000);
          break;
        case 2:
          word = static_cast<uint64_t>(std::rand()) << (std::rand() % 48);
          break;
        default:
          word = reinterpret_cast<uint64_t>(&qsort) + static_cast<uint64_t>(std::rand() % 1000000);
          break;
      }
    }
    uint32_t id =
        vsup::agent::capture_stack(noise[0], reinterpret_cast<uint64_t>(&noise[std::rand() % 64]), noise[1], 30);
    CHECK(StackReader::of_process(getpid()).parent(id) <= id);
    vsup::agent::capture_stack(noise[2], noise[3], noise[4], 30);
    vsup::agent::capture_stack(here, noise[5], noise[6], 30);
  }
  sigaction(SIGSEGV, &before, nullptr);
  sigaction(SIGBUS, &before, nullptr);
}

namespace {

// At different depths, each with a cache of its own, as threads have. Last in this file: it fills the depot.
struct Caches {
  static constexpr unsigned kDepths[] = {4, 20, 64};
  static constexpr unsigned kWalkedDepth = 12;
  WalkCache each[3] = {};
  WalkCache by_walk = {};
  std::vector<std::pair<uint32_t, uint32_t>> taken;   // without, with
  std::vector<std::pair<uint32_t, uint32_t>> walked;  // the same at a depth of kWalkedDepth, by walk

  // The innermost frame is this one's, with two places in it.
  [[gnu::noinline]] void take() {
    for (int i = 0; i < 3; i++) {
      const uint32_t without = vsup_capture_here(kDepths[i]);
      const uint32_t with = vsup_capture_cached(kDepths[i], &each[i]);
      taken.emplace_back(without, with);
    }
    const uint32_t without = vsup_capture_here(kWalkedDepth);
    const uint32_t with = vsup_capture_walked(kWalkedDepth, &by_walk);
    walked.emplace_back(without, with);
  }
};
Caches* caches;

int wander(unsigned seed, int depth);

[[gnu::noinline]] int wander_left(unsigned seed, int depth) {
  caches->take();
  int result = wander(seed, depth - 1);
  caches->take();
  return result + wander(seed ^ 0x5555, depth - 2);
}

[[gnu::noinline]] int wander_on_room(unsigned seed, int depth) {
  auto* room = static_cast<volatile char*>(__builtin_alloca(seed % 500 + 16));
  room[0] = 1;
  int result = wander(seed + static_cast<unsigned>(room[0]), depth - 1);
  room[seed % 500] = 2;
  return result;
}

int wander_in_handler_depth;
void wander_in_handler(int) {
  if (wander_in_handler_depth > 0) wander(7, std::exchange(wander_in_handler_depth, 0));
}

[[gnu::noinline]] int wander(unsigned seed, int depth) {
  caches->take();
  if (depth <= 0) return 1;
  seed = seed * 1103515245 + 12345;
  switch ((seed >> 16) % 6) {
    case 0:
      return wander_left(seed, depth) + 1;
    case 1:
      return wander_on_room(seed, depth) + 1;
    case 2: {
      std::function<int(int)> nested = [seed](int more) { return wander(seed, more - 1); };
      return nested(depth);
    }
    case 3:
      wander_in_handler_depth = depth / 2;
      raise(SIGUSR1);
      return wander(seed, depth - 1) + 1;
    case 4:
      try {
        if (wander(seed, depth - 2) > 0) throw std::runtime_error("back");
      } catch (const std::runtime_error&) {
        caches->take();
      }
      return 1;
    default:
      return wander(seed, depth - 1) + wander(seed + 1, depth - 3);
  }
}

}  // namespace

TEST_CASE("callstack: a walk with a cache finds what one without finds, whatever the last one was") {
  REQUIRE(own_stack::update_tables());
  auto memory = std::make_unique<Caches>();
  caches = memory.get();
  signal(SIGUSR1, &wander_in_handler);
  int results = 0;
  for (unsigned seed = 0; seed < 300; seed++) results += wander(seed, static_cast<int>(seed % 24));
  signal(SIGUSR1, SIG_DFL);
  CHECK(results > 300);
  REQUIRE(memory->taken.size() > 10000);
  // All have one depth in a process of an app.
  auto& walked_depth =
      reinterpret_cast<vsup::protocol::CallstackControl*>(vsup::protocol::kCallstackBase)->walked_depth;
  walked_depth = 0;
  StackReader reader = StackReader::of_process(getpid());
  size_t differing = 0;
  for (const auto& [without, with] : memory->taken) {
    differing += with == 0 || reader.parent(without) != reader.parent(with);
    differing += reader.frames(without).size() != reader.frames(with).size();
  }
  CHECK(differing == 0);

  walked_depth = Caches::kWalkedDepth;
  reader = StackReader::of_process(getpid());
  for (const auto& [without, with] : memory->walked) {
    std::vector<uint64_t> frames[2];
    for (const auto& frame : reader.frames(without)) frames[0].push_back(frame.value);
    for (const auto& frame : reader.frames(with)) frames[1].push_back(frame.value);
    // The innermost are two places of take().
    differing += frames[1].empty() ||
                 !std::equal(frames[0].begin() + 1, frames[0].end(), frames[1].begin() + 1, frames[1].end());
  }
  CHECK(differing == 0);
}
