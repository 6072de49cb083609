// Purpose: where blocks were made: an allocation function and the stack that called it, numbered, compared up to a
// resolution, and with names on request.
// Assumes: names are looked up on one thread; files of the program may be gone then.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

#include "protocol/heap.h"
#include "supervisor/reports/report_frame.h"
#include "supervisor/symbols/stack_reader.h"
#include "supervisor/symbols/symbolizer.h"

namespace vsup::supervisor::leaks {

struct StackNaming {
  unsigned num_callers = 12;     // frames of a stack, the allocation function's among them
  unsigned resolution = 500;     // frames that make two stacks different
  bool show_below_main = false;  // frames around main, too
};

class AllocationStacks {
 public:
  explicit AllocationStacks(StackNaming naming) : naming_(naming) {}

  // The number of the place; the same for places that agree in the first frames. `depot` is the process's as it is now.
  uint32_t origin(const StackReader& depot, uint32_t stack, protocol::HeapFunction function);

  size_t size() const { return places_.size(); }

  // Names the place's frames, once: `modules` as they are at that check. `allocators` says where the hooked functions
  // are.
  using FunctionAddresses = std::map<protocol::HeapFunction, uint64_t>;
  const std::vector<ReportFrame>& frames(uint32_t origin, const StackReader& depot, const ModuleMap& modules,
                                         const FunctionAddresses& allocators, Symbolizer& symbolizer);

 private:
  struct Place {
    uint32_t stack = 0;
    protocol::HeapFunction function = protocol::HeapFunction::kMalloc;
    bool named = false;
    std::vector<ReportFrame> frames;
  };
  struct Shape {
    protocol::HeapFunction function;
    std::vector<uint64_t> frames;
    auto operator<=>(const Shape&) const = default;  // NOLINT(modernize-use-nullptr): not what it is about
  };

  // Millions of blocks are from a few places.
  struct Recent {
    uint64_t key = ~uint64_t{0};
    uint32_t number = 0;
  };
  static constexpr unsigned kRecentBits = 8;

  uint32_t find_origin(const StackReader& depot, uint64_t key, uint32_t stack, protocol::HeapFunction function);

  StackNaming naming_;
  std::unordered_map<uint64_t, uint32_t> by_stack_;  // stack id and function
  Recent recent_[1u << kRecentBits];                 // of by_stack_
  std::map<Shape, uint32_t> by_shape_;               // of stacks cut to the resolution
  std::vector<Place> places_;
};

}  // namespace vsup::supervisor::leaks
