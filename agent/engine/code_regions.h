// Purpose: what kind of memory app code lies in: whether it may be executed, and whether it can change unseen.
// Assumes: callers hold the engine lock. Promises: asks the supervisor once for each mapping.
#pragma once

#include "agent/engine/block.h"
#include "agent/engine/types.h"

namespace vsup::agent {

struct CodeRegion {
  uint64_t start, end;
  bool executable;
  bool checked;     // writable, shared or anonymous: its blocks compare their bytes on entry
  bool writable;    // its code may change itself: blocks end after stores
  bool has_code;    // blocks of it are in the cache
  uint64_t module;  // where the file's first byte would be mapped, 0: no file
  uint8_t* gate;    // of a checked region: the word that its blocks look at on entry, not 0: they may not run
};

inline TrustedCode trusted_code(const CodeRegion& region) {
  return region.checked ? TrustedCode{} : TrustedCode{region.start, region.end};
}

// The region that holds `pc`; where nothing is mapped, a region that is not executable. Valid until the next call.
CodeRegion& code_region_at(AppPc pc);

// The app is about to put other memory, or none, into [start, end). Returns true when blocks lie there that would not
// notice, so that the cache must be emptied first.
bool code_regions_replaced(uint64_t start, uint64_t end);

// Likewise before the protection of [start, end) changes. A compiler at run time makes its code writable and executable
// in turns: whole checked regions keep their blocks meanwhile, behind a closed gate.
bool code_regions_protected(uint64_t start, uint64_t end, bool executable, bool writable);

void code_regions_reset();

}  // namespace vsup::agent
