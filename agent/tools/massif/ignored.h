// Purpose: which stacks' allocations do not count: those of --ignore-fn, with --heap=no all.
// Promises: the same answer for a stack at every time.
#pragma once

#include "agent/base/settings.h"
#include "agent/tools/massif/records.h"

namespace vsup::agent::massif {

bool stack_is_ignored(uint32_t stack);

inline bool is_ignored(uint32_t stack) {
  if (vsup_settings.tool_options[kOptionHeap] == 0) return true;
  return vsup_settings.tool_options[kOptionIgnore] != 0 && stack_is_ignored(stack);
}

}  // namespace vsup::agent::massif
