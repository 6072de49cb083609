#include "supervisor/reports/leaks/leak_scan.h"

#include <algorithm>
#include <bit>
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

class Scan {
 public:
  Scan(const Blocks& blocks, const PointerGraph& graph) : blocks_(blocks), graph_(graph), states_(blocks.size()) {}

  LeakResults run() {
    const auto reachable = [this](Pointer pointer) { from_reachable(pointer); };
    for (const Pointer root : graph_.roots) reachable(root);
    process(reachable);
    // Nothing but what is possibly lost itself can be reached now.
    for (const uint32_t block : seeds_) {
      if (state(block).kind() == State::kPossible) push(block);
    }
    process([this](Pointer pointer) { from_possible(pointer); });
    for (uint32_t leader = 0; leader < blocks_.size(); ++leader) {
      if (state(leader).kind() != State::kUnreached) continue;
      if (indirect_bytes_.empty()) indirect_bytes_.resize(blocks_.size());
      push(leader);
      process([this, leader](Pointer pointer) { from_lost(pointer.block(), leader); });
    }
    return {std::move(states_), std::move(indirect_bytes_)};
  }

 private:
  using State = BlockState;

  State state(uint32_t block) const { return State(states_[block]); }
  void set_state(uint32_t block, State::Kind kind, uint8_t heuristic) {
    states_[block] = State(kind, heuristic).bits();
  }

  void from_reachable(Pointer pointer) {
    const uint32_t block = pointer.block();
    const State known = state(block);
    if (known.kind() == State::kReachable) {
      if (pointer.exact()) set_state(block, State::kReachable, kNoHeuristic);
    } else if (pointer.keeps()) {
      set_state(block, State::kReachable, pointer.heuristic());
      push(block);
    } else {
      if (known.kind() == State::kUnreached) seeds_.push_back(block);
      set_state(block, State::kPossible, pointer.heuristic());
    }
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

  const Blocks& blocks_;
  const PointerGraph& graph_;
  LargeVector<uint8_t> states_;
  LargeVector<uint64_t> indirect_bytes_;
  std::vector<uint32_t> seeds_;  // possibly lost by a pointer from something reachable
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

LeakResults scan_for_leaks(const Blocks& blocks, const PointerGraph& graph) {
  if (graph.first.size() != blocks.size() + 1) return {};
  return Scan(blocks, graph).run();
}

}  // namespace vsup::supervisor::leaks
