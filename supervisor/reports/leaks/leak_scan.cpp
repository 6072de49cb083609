#include "supervisor/reports/leaks/leak_scan.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace vsup::supervisor::leaks {
namespace {

constexpr size_t kBatch = 32;  // blocks whose pointers are fetched at once

// What is known of a block: a byte, as most of the work is waiting for it.
class BlockState {
 public:
  enum Kind : uint8_t { kUnreached, kReachable, kPossible, kIndirect };

  explicit BlockState(uint8_t bits) : bits_(bits) {}
  BlockState(Kind kind, uint8_t heuristic)
      : bits_(static_cast<uint8_t>(kind | std::bit_width(heuristic) << kKindBits)) {}

  uint8_t bits() const { return bits_; }
  Kind kind() const { return static_cast<Kind>(bits_ & ((1u << kKindBits) - 1)); }
  uint8_t heuristic() const { return static_cast<uint8_t>(1u << (bits_ >> kKindBits) >> 1); }

 private:
  static constexpr unsigned kKindBits = 2;
  uint8_t bits_;
};

// Blocks that some thread is to look at, for threads that have none.
class SharedBlocks {
 public:
  explicit SharedBlocks(unsigned threads) : threads_(threads) {}

  bool wanted() const { return waiting_.load(std::memory_order_relaxed) > 0; }

  // A part of `stack`.
  void give(std::vector<uint32_t>& stack) {
    const auto half = stack.begin() + static_cast<std::ptrdiff_t>(stack.size() / 2);
    const std::scoped_lock lock(mutex_);
    parts_.emplace_back(stack.begin(), half);
    stack.erase(stack.begin(), half);
    changed_.notify_one();
  }

  // To the empty `stack`; false when no thread has any left.
  bool take(std::vector<uint32_t>& stack) {
    std::unique_lock lock(mutex_);
    if (waiting_.fetch_add(1, std::memory_order_relaxed) + 1 == threads_ && parts_.empty()) {
      done_ = true;
      changed_.notify_all();
    }
    changed_.wait(lock, [this] { return done_ || !parts_.empty(); });
    if (done_) return false;
    waiting_.fetch_sub(1, std::memory_order_relaxed);
    stack = std::move(parts_.back());
    parts_.pop_back();
    return true;
  }

 private:
  const unsigned threads_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::vector<uint32_t>> parts_;
  std::atomic<unsigned> waiting_ = 0;
  bool done_ = false;
};

class Scan {
 public:
  Scan(const Blocks& blocks, const PointerGraph& graph) : blocks_(blocks), graph_(graph) {
    resize_pages(states_, blocks.size());
  }

  LeakResults run(unsigned threads) {
    find_reachable(threads);
    // Nothing but what is possibly lost itself can be reached now.
    for (const uint32_t block : seeds_) {
      if (state(block).kind() == State::kPossible) push(block);
    }
    process(stack_, [this](Pointer pointer) { from_possible(pointer); });
    for (uint32_t leader = 0; leader < blocks_.size(); ++leader) {
      if (state(leader).kind() != State::kUnreached) continue;
      if (indirect_bytes_.empty()) resize_pages(indirect_bytes_, blocks_.size());
      push(leader);
      process(stack_, [this, leader](Pointer pointer) { from_lost(pointer.block(), leader); });
    }
    return {std::move(states_), std::move(indirect_bytes_)};
  }

 private:
  using State = BlockState;

  struct Worker {
    std::vector<uint32_t> stack;
    std::vector<uint32_t> seeds;  // possibly lost by a pointer from something reachable
  };

  State state(uint32_t block) const { return State(states_[block]); }
  void set_state(uint32_t block, State::Kind kind, uint8_t heuristic) {
    states_[block] = State(kind, heuristic).bits();
  }

  // What is found does not depend on who finds it first: a block may be looked at twice, and of several heuristics the
  // first in their list counts.
  void find_reachable(unsigned threads) {
    std::vector<Worker> workers(threads);
    SharedBlocks shared(threads);
    for (const Pointer root : graph_.roots) from_reachable(root, workers[0]);
    const auto work = [&](Worker& worker) {
      do {
        process(
            worker.stack, [&](Pointer pointer) { from_reachable(pointer, worker); },
            [&] {
              if (worker.stack.size() >= 2 * kBatch && shared.wanted()) shared.give(worker.stack);
            });
      } while (shared.take(worker.stack));
    };
    std::vector<std::thread> helpers;
    for (unsigned i = 1; i < threads; ++i) helpers.emplace_back(work, std::ref(workers[i]));
    work(workers[0]);
    for (std::thread& helper : helpers) helper.join();
    for (const Worker& worker : workers) seeds_.insert(seeds_.end(), worker.seeds.begin(), worker.seeds.end());
  }

  // Others do the same to the same states. That a block is pointed to at its start is the last that can be said of it.
  void from_reachable(Pointer pointer, Worker& worker) {
    constexpr auto kRelaxed = std::memory_order_relaxed;
    const uint32_t block = pointer.block();
    const std::atomic_ref<uint8_t> state(states_[block]);
    uint8_t known = state.load(kRelaxed);
    const State wanted(pointer.keeps() ? State::kReachable : State::kPossible, pointer.heuristic());
    if (pointer.exact()) {
      if (known == wanted.bits()) return;
      state.store(wanted.bits(), kRelaxed);
    } else {
      do {
        if (!improves(State(known), wanted)) return;
      } while (!state.compare_exchange_weak(known, wanted.bits(), kRelaxed));
    }
    if (State(known).kind() == State::kReachable) return;
    if (pointer.keeps()) {
      push(worker.stack, block);
    } else {
      worker.seeds.push_back(block);
    }
  }

  static bool improves(State known, State wanted) {
    if (known.kind() != State::kReachable)
      return wanted.kind() == State::kReachable || known.kind() == State::kUnreached;
    return wanted.kind() == State::kReachable && known.heuristic() > wanted.heuristic();
  }

  void from_possible(Pointer pointer) {
    const uint32_t block = pointer.block();
    const State known = state(block);
    if (known.kind() == State::kReachable) {
      if (pointer.exact()) set_state(block, State::kReachable, kNoHeuristic);
      return;
    }
    set_state(block, State::kPossible, pointer.exact() ? known.heuristic() : pointer.heuristic());
    if (known.kind() == State::kUnreached) push(block);
  }

  // A leader met so far joins this one's clique with all that it leads.
  void from_lost(uint32_t block, uint32_t leader) {
    if (state(block).kind() != State::kUnreached || block == leader) return;
    set_state(block, State::kIndirect, kNoHeuristic);
    indirect_bytes_[leader] += blocks_[block].size + indirect_bytes_[block];
    indirect_bytes_[block] = 0;
    push(block);
  }

  void push(uint32_t block) { push(stack_, block); }
  void push(std::vector<uint32_t>& stack, uint32_t block) const {
    __builtin_prefetch(&graph_.first[block]);
    stack.push_back(block);
  }

  // Follows the pointers of what is on the stack, and of what `found` pushes, until it is empty. Each step waits for
  // memory, so a batch of blocks takes it together.
  template <typename Found>
  void process(std::vector<uint32_t>& stack, const Found& found) const {
    process(stack, found, [] {});
  }
  template <typename Found, typename Between>
  void process(std::vector<uint32_t>& stack, const Found& found, const Between& between) const {
    uint64_t first[kBatch], last[kBatch];
    while (!stack.empty()) {
      between();
      const size_t count = std::min(stack.size(), kBatch);
      for (size_t i = 0; i < count; ++i) {
        const uint32_t block = stack[stack.size() - 1 - i];
        first[i] = graph_.first[block];
        last[i] = graph_.first[block + 1];
        __builtin_prefetch(graph_.pointers.data() + first[i]);
      }
      stack.resize(stack.size() - count);
      for (size_t i = 0; i < count; ++i) {
        for (uint64_t p = first[i]; p < std::min(last[i], first[i] + 16); ++p) {
          __builtin_prefetch(&states_[graph_.pointers[p].block()]);
        }
      }
      for (size_t i = 0; i < count; ++i) {
        for (uint64_t p = first[i]; p < last[i]; ++p) found(graph_.pointers[p]);
      }
    }
  }

  const Blocks& blocks_;
  const PointerGraph& graph_;
  LargeVector<uint8_t> states_;
  LargeVector<uint64_t> indirect_bytes_;
  std::vector<uint32_t> seeds_;
  std::vector<uint32_t> stack_;
};

LeakKind kind_of(BlockState::Kind kind) {
  switch (kind) {
    case BlockState::kReachable:
      return LeakKind::kReachable;
    case BlockState::kPossible:
      return LeakKind::kPossible;
    case BlockState::kIndirect:
      return LeakKind::kIndirect;
    case BlockState::kUnreached:
      break;
  }
  return LeakKind::kDefinite;
}

}  // namespace

BlockResult LeakResults::operator[](size_t block) const {
  const BlockState state(states_[block]);
  return {kind_of(state.kind()), state.heuristic(), indirect_bytes_.empty() ? 0 : indirect_bytes_[block]};
}

LeakResults scan_for_leaks(const Blocks& blocks, const PointerGraph& graph, unsigned threads) {
  if (graph.first.size() != blocks.size() + 1) return {};
  return Scan(blocks, graph).run(std::max(threads, 1u));
}

}  // namespace vsup::supervisor::leaks
