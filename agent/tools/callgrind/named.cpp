#include "agent/tools/callgrind/named.h"

namespace vsup::agent::callgrind {

const FunctionRecord* named_function(uint64_t pc) {
  const uint64_t count = reinterpret_cast<const Header*>(kToolBase)->functions;
  const auto* records = reinterpret_cast<const FunctionRecord*>(kFunctionsAt);
  uint64_t low = 0, high = count < kMaxFunctions ? count : kMaxFunctions;
  while (low < high) {
    const uint64_t middle = (low + high) / 2;
    if (records[middle].pc < pc)
      low = middle + 1;
    else
      high = middle;
  }
  return low < count && low < kMaxFunctions && records[low].pc == pc ? records + low : nullptr;
}

const FunctionRecord* acting_function(uint64_t pc) {
  const FunctionRecord* named = named_function(pc);
  return named != nullptr && (named->flags & kFunctionActs) != 0 ? named : nullptr;
}

}  // namespace vsup::agent::callgrind
