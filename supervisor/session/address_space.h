// Purpose: one address space of traced threads: whether the agent is in it, who has which thread slot, and the stop of
// its world. A vfork child shares its parent's; a fork child and an exec get their own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "supervisor/base/unique_fd.h"
#include "supervisor/inject/inject.h"
#include "supervisor/session/heap_hooks.h"
#include "supervisor/session/mode_switch.h"
#include "supervisor/session/module_watch.h"
#include "supervisor/session/native_breakpoints.h"
#include "supervisor/session/session_observer.h"

namespace vsup::supervisor {

struct Task;

class SlotTable {
 public:
  // -1 when all are taken.
  int allocate();
  void take(int slot);
  void release(int slot);
  void release_all() { used_.clear(); }

 private:
  std::vector<bool> used_;
};

struct AddressSpace {
  // That of a child which is born with a copy of the memory.
  std::shared_ptr<AddressSpace> for_fork_child() const;

  bool injected = false;
  bool ready_on = false;      // for the cache, not for native code: its processes' want_on, but for a switch under way
  bool passes_rseq = false;   // a thread registered it natively
  uint64_t vdso_syscall = 0;  // a `syscall` instruction in the app's vdso, 0: none
  UniqueFd maps_fd;           // /proc/PID/maps, opened when first asked for
  SharedView shared;
  SlotTable slots;
  std::vector<Task*> tasks;
  std::vector<MappedModule> reported_modules;  // those whose code was executed; none overlaps another
  NativeBreakpoints breakpoints;
  bool trap_ignored = false;           // by the app, when the breakpoints were set: each of them makes it the default
  std::unique_ptr<ModuleWatch> watch;  // for tools that hook the heap or walk stacks
  HeapHooks hooks;
  uint64_t code_fingerprint = 0;          // of the executable mappings when instrumentation was switched off
  std::shared_ptr<ModeSwitch> switching;  // asked for, and the memory not made ready for it yet

  // The stop of the world: while `stopping`, threads that stop are parked in app state; when all are, the actions
  // run, then everybody resumes as its process wants, then `afterwards` run.
  bool stopping = false;
  bool acting = false;
  bool needs_vfork_parents = false;
  std::vector<std::function<void()>> actions;
  std::vector<std::function<void()>> afterwards;
  bool nudge_armed = false;
};

}  // namespace vsup::supervisor
