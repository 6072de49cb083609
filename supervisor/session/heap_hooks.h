// Purpose: the hooks of one address space, as the session has placed them.
#pragma once

#include <cstdint>
#include <vector>

#include "protocol/heap.h"
#include "supervisor/session/module_watch.h"

namespace vsup::supervisor {

struct PlacedHook {
  uint64_t site = 0;  // index of its HookSite
  uint64_t address = 0, module_start = 0;
  uint64_t island = 0;
  uint8_t size = 0;
  bool is_pointer = false;
  uint8_t original[24] = {}, patch[24] = {};
  uint8_t move_count = 0;
  protocol::HookSite::Move moves[6] = {};

  // Behind the first byte of what it replaces.
  bool covers(uint64_t pc) const { return pc > address && pc < address + size; }
};

struct Island {
  uint64_t start = 0, module_start = 0, module_end = 0;
  uint32_t used = 0;  // bytes
};

struct HeapHooks {
  std::vector<NamedPlace> named;
  std::vector<PlacedHook> placed;
  std::vector<Island> islands;
  uint64_t site_count = 0;           // HookSites handed out
  std::vector<uint64_t> free_sites;  // of these, of modules that have gone
  uint64_t loader_breakpoint = 0;
  uint64_t loader_island = 0;                      // where the jump at the breakpoint leads; 0: it is an int3
  std::vector<uint8_t> loader_code, loader_patch;  // the app's at the breakpoint, and ours
  bool on = false;                                 // the jumps are in place
};

}  // namespace vsup::supervisor
