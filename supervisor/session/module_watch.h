// Purpose: what the session asks of those who know symbols when the modules of a process may have changed; implemented
// above, one for each address space.
// Assumes: an injected agent; calls on the event loop's thread, while the asking thread stands still.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "protocol/heap.h"
#include "supervisor/session/session_observer.h"

namespace vsup::supervisor {

// A function to hook.
struct HookPlace {
  uint64_t address = 0, size = 0;  // size 0: not known
  protocol::HeapFunction function = protocol::HeapFunction::kMalloc;
  uint64_t module_start = 0, module_end = 0;
  bool is_pointer = false;  // `address` is that of a pointer to the function
};

// Code of a function that the tool wants to know in stacks.
struct NamedPlace {
  protocol::NamedCode code;
  uint64_t module_start = 0;
};

struct ModuleChanges {
  std::vector<MappedModule> added;  // that were not there before, whole
  std::vector<NamedPlace> named;    // in modules that were not there before
  std::vector<HookPlace> places;    // in modules that were not there before
  std::vector<uint64_t> gone;       // starts of modules that are not there any more
  uint64_t loader_breakpoint = 0;   // where the loader comes by after each change, 0: not known
};

class ModuleWatch {
 public:
  virtual ~ModuleWatch() = default;
  // For the child of a fork.
  virtual std::unique_ptr<ModuleWatch> clone() const = 0;
  virtual ModuleChanges update(pid_t tid) = 0;
};

}  // namespace vsup::supervisor
