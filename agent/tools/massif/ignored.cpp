#include "agent/tools/massif/ignored.h"

#include "protocol/callstack.h"
#include "protocol/heap.h"

namespace vsup::agent::massif {

namespace {

using namespace protocol;

enum Verdict : uint8_t { kUnknown, kCounts, kIgnored };

// Of the function that the frame is in, if it has a name to be known by.
const NamedCode* named_code_of(uint64_t frame) {
  uint64_t pc = frame & kFrameValueMask;
  uint64_t kind = frame >> kFrameKindShift;
  if (kind == kFramePython) return nullptr;
  if (kind != kFrameExact) --pc;
  const auto* control = reinterpret_cast<const HeapControl*>(kHeapLayerBase);
  const auto* named = reinterpret_cast<const NamedCode*>(kNamedCodeBase);
  uint64_t count = __atomic_load_n(&control->named_count, __ATOMIC_ACQUIRE);
  for (uint64_t i = 0; i < count && i < kMaxNamedCode; ++i)
    if (pc >= named[i].start && pc < named[i].end) return &named[i];
  return nullptr;
}

// That of the innermost function that is no allocation function.
Verdict judge(uint32_t stack) {
  const auto* nodes = reinterpret_cast<const StackNode*>(kDepotBase);
  while (stack != 0) {
    const NamedCode* code = named_code_of(nodes[stack].frame);
    if (code == nullptr || code->kind != kNamedAllocator) return code == nullptr ? kCounts : kIgnored;
    stack = nodes[stack].parent;
  }
  return kCounts;
}

}  // namespace

bool stack_is_ignored(uint32_t stack) {
  if (stack >= kMaxStacks) return false;
  uint8_t& verdict = reinterpret_cast<uint8_t*>(kVerdictsAt)[stack];
  uint8_t known = __atomic_load_n(&verdict, __ATOMIC_RELAXED);
  if (known == kUnknown) __atomic_store_n(&verdict, known = judge(stack), __ATOMIC_RELAXED);
  return known == kIgnored;
}

}  // namespace vsup::agent::massif
