// Purpose: answers the hooks that the supervisor wants; it then writes the code and the jumps.
#include "agent/base/entry_points.h"
#include "agent/callstack/python_codes.h"
#include "agent/heap/trampoline.h"

#pragma GCC visibility push(hidden)
extern "C" {
void vsup_place_hooks();
void vsup_hook();
void vsup_hook_find_frame();
}
#pragma GCC visibility pop

namespace vsup::agent {

namespace {

using namespace protocol;

// Bytes from `address` on that can be read, at most `most`.
uint64_t readable(const void* address, uint8_t* copy, uint64_t most) {
  auto from = reinterpret_cast<uint64_t>(address);
  uint64_t size = most;
  if (vsup_safe_copy(copy, address, size)) return size;
  size = 4096 - (from & 4095);
  return size < most && vsup_safe_copy(copy, address, size) ? size : 0;
}

}  // namespace

}  // namespace vsup::agent

void vsup_place_hooks() {
  using namespace vsup::agent;
  static uint8_t copy[16384];
  auto& control = *reinterpret_cast<HeapControl*>(kHeapLayerBase);
  // All functions of an allocator of Python's, which is more than where its arenas come from.
  bool python_resizes = false, python_frees = false;
  for (uint64_t i = control.hook_first; i < control.hook_count && i < kMaxHooks; ++i) {
    auto& site = *reinterpret_cast<HookSite*>(kHookSitesBase + i * kHookSiteStride);
    if (site.status != kHookWanted) continue;
    site.stub =
        reinterpret_cast<uint64_t>(site.function == HeapFunction::kFindFrame ? &vsup_hook_find_frame : &vsup_hook);
    if (site.is_pointer != 0) {
      uint64_t pointer = 0;
      if (vsup_safe_copy(&pointer, reinterpret_cast<const void*>(site.address), sizeof pointer))
        make_pointer_hook(site, pointer);
      if (site.status == kHookMade) {
        python_resizes |= site.function == HeapFunction::kPythonRealloc;
        python_frees |= site.function == HeapFunction::kPythonFree;
      }
      continue;
    }
    uint64_t size = site.size < 64 ? 64 : site.size > sizeof copy ? sizeof copy : site.size;
    const void* code = reinterpret_cast<const void*>(site.address);
    make_trampoline(site, copy, readable(code, copy, size));
  }
  if (python_resizes && python_frees) code_ends_are_told();
}
