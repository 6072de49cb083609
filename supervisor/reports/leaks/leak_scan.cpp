#include "supervisor/reports/leaks/leak_scan.h"

#include <algorithm>

namespace vsup::supervisor::leaks {
namespace {

constexpr size_t kBatch = 32;  // blocks whose pointers are fetched at once

class Scan {
 public:
  Scan(const std::vector<Block>& blocks, const PointerGraph& graph)
      : blocks_(blocks), graph_(graph), results_(blocks.size()), states_(blocks.size(), kUnreached) {}

  std::vector<BlockResult> run() {
    const auto reachable = [this](Pointer pointer) { from_reachable(pointer); };
    for (const Pointer root : graph_.roots) reachable(root);
    process(reachable);
    // Nothing but what is possibly lost itself can be reached now.
    for (const uint32_t block : seeds_) {
      if (states_[block] == kPossible) push(block);
    }
    process([this](Pointer pointer) { from_possible(pointer); });
    for (uint32_t leader = 0; leader < blocks_.size(); ++leader) {
      if (states_[leader] != kUnreached) continue;
      push(leader);
      process([this, leader](Pointer pointer) { from_lost(pointer.block(), leader); });
    }
    for (size_t i = 0; i < results_.size(); ++i) results_[i].kind = kind_of(states_[i]);
    return std::move(results_);
  }

 private:
  enum State : uint8_t { kUnreached, kReachable, kPossible, kIndirect };

  static LeakKind kind_of(uint8_t state) {
    switch (state) {
      case kReachable:
        return LeakKind::kReachable;
      case kPossible:
        return LeakKind::kPossible;
      case kIndirect:
        return LeakKind::kIndirect;
      default:
        return LeakKind::kDefinite;
    }
  }

  void from_reachable(Pointer pointer) {
    const uint32_t block = pointer.block();
    if (states_[block] == kReachable) {
      if (pointer.exact()) results_[block].heuristic = kNoHeuristic;
      return;
    }
    results_[block].heuristic = pointer.heuristic();
    if (pointer.keeps()) {
      states_[block] = kReachable;
      push(block);
    } else if (states_[block] == kUnreached) {
      states_[block] = kPossible;
      seeds_.push_back(block);
    }
  }

  void from_possible(Pointer pointer) {
    const uint32_t block = pointer.block();
    if (states_[block] == kReachable) {
      if (pointer.exact()) results_[block].heuristic = kNoHeuristic;
      return;
    }
    if (!pointer.exact()) results_[block].heuristic = pointer.heuristic();
    if (states_[block] != kUnreached) return;
    states_[block] = kPossible;
    push(block);
  }

  // A leader met so far joins this one's clique with all that it leads.
  void from_lost(uint32_t block, uint32_t leader) {
    if (states_[block] != kUnreached || block == leader) return;
    states_[block] = kIndirect;
    results_[leader].indirect_bytes += blocks_[block].size + results_[block].indirect_bytes;
    results_[block].indirect_bytes = 0;
    push(block);
  }

  void push(uint32_t block) {
    __builtin_prefetch(&graph_.first[block]);
    stack_.push_back(block);
  }

  // Follows the pointers of what is on the stack, and of what `found` pushes, until it is empty. Each step waits for
  // memory, so a batch of blocks takes it together.
  template <typename Found>
  void process(const Found& found) {
    uint64_t first[kBatch], last[kBatch];
    while (!stack_.empty()) {
      const size_t count = std::min(stack_.size(), kBatch);
      for (size_t i = 0; i < count; ++i) {
        const uint32_t block = stack_[stack_.size() - 1 - i];
        first[i] = graph_.first[block];
        last[i] = graph_.first[block + 1];
        __builtin_prefetch(graph_.pointers.data() + first[i]);
      }
      stack_.resize(stack_.size() - count);
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

  const std::vector<Block>& blocks_;
  const PointerGraph& graph_;
  std::vector<BlockResult> results_;
  std::vector<uint8_t> states_;
  std::vector<uint32_t> seeds_;  // possibly lost by a pointer from something reachable
  std::vector<uint32_t> stack_;
};

}  // namespace

std::vector<BlockResult> scan_for_leaks(const std::vector<Block>& blocks, const PointerGraph& graph) {
  if (graph.first.size() != blocks.size() + 1) return {};
  return Scan(blocks, graph).run();
}

}  // namespace vsup::supervisor::leaks
