// Purpose: which blocks a program has lost: Memcheck's algorithm over the graph of its pointers. Pure.
//
// From the roots and registers, a pointer to a block's start makes the block reachable, and what it points to in turn.
// A pointer into its middle makes it possibly lost, unless a heuristic knows why the program keeps such a pointer; so
// does any pointer in a possibly lost block. Of the rest, in the order of addresses, one that nothing points to but
// later ones is definitely lost and the leader of a clique: all that is reached from it alone is indirectly lost
// (memcheck/mc_leakcheck.c; the manual, "Memory leak detection").
#pragma once

#include <cstdint>
#include <utility>

#include "supervisor/reports/leak_kind.h"
#include "supervisor/reports/leaks/pointer_graph.h"

namespace vsup::supervisor::leaks {

struct BlockResult {
  LeakKind kind = LeakKind::kDefinite;
  uint8_t heuristic = kNoHeuristic;  // by which it is reachable
  uint64_t indirect_bytes = 0;       // of a definitely lost one: what is lost with it
};

// One for each block.
class LeakResults {
 public:
  LeakResults() = default;
  LeakResults(LargeVector<uint8_t> states, LargeVector<uint64_t> indirect_bytes)
      : states_(std::move(states)), indirect_bytes_(std::move(indirect_bytes)) {}

  size_t size() const { return states_.size(); }
  bool empty() const { return states_.empty(); }
  BlockResult operator[](size_t block) const;

 private:
  LargeVector<uint8_t> states_;           // BlockState
  LargeVector<uint64_t> indirect_bytes_;  // empty if nothing is lost
};

// What is reachable is found by `threads` threads.
LeakResults scan_for_leaks(const Blocks& blocks, const PointerGraph& graph, unsigned threads = 1);

}  // namespace vsup::supervisor::leaks
