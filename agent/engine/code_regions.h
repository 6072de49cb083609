// Purpose: what kind of memory app code lies in: whether it may be executed, and whether it can change unseen.
// Assumes: callers hold the engine lock. Promises: asks the supervisor once for each mapping.
#pragma once

#include "agent/engine/types.h"

namespace vsup::agent {

struct CodeRegion {
  uint64_t start, end;
  bool executable;
  bool checked;   // writable or anonymous: its blocks compare their bytes on entry
  bool has_code;  // blocks of it are in the cache
};

// The region that holds `pc`; where nothing is mapped, a region that is not executable. Valid until the next call.
CodeRegion& code_region_at(AppPc pc);

// The app is about to change the mappings in [start, end). Returns true when blocks that do not check themselves lie
// there, so that the cache must be emptied first.
bool code_regions_change(uint64_t start, uint64_t end);

void code_regions_reset();

}  // namespace vsup::agent
