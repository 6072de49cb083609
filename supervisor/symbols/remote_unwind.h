// Purpose: the stack of a stopped thread as return addresses, by libunwind on another process.
// Assumes: the thread stands still, its registers are given in app terms (the kernel's may be those of the code
// cache), and its memory can be read with process_vm_readv.
// Promises: any garbage ends the walk, never crashes, loops or takes long: depth limit, rising stack pointer,
// bounded memory accesses. Unwind tables are read from the process's memory, not from files: the vdso, deleted files
// and other mount namespaces work alike. Code without tables is walked by frame pointer, or else by the
// words on the stack that calls can have pushed.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "supervisor/session/controller.h"
#include "supervisor/symbols/module_map.h"

namespace vsup::supervisor {

struct RawFrame {
  uint64_t pc = 0;             // where the frame goes on
  uint64_t lookup = 0;         // the address to symbolise: pc, or within the call before it
  uint64_t stack_pointer = 0;  // when it goes on
  bool guessed = false;        // found by searching the stack: the code before it has neither tables nor frame pointer
  std::array<uint64_t, 6> kept{};  // rbx, rbp, r12 to r15 when it goes on, as far as that is known
};

class RemoteUnwinder {
 public:
  static constexpr size_t kMaxFrames = 512;

  // Takes the process's maps as they are now; use it only while the process stands still.
  explicit RemoteUnwinder(pid_t pid);
  ~RemoteUnwinder();
  RemoteUnwinder(const RemoteUnwinder&) = delete;
  RemoteUnwinder& operator=(const RemoteUnwinder&) = delete;

  // Innermost first; the first is the thread's own pc.
  std::vector<RawFrame> unwind(const ThreadRegisters& registers);

  // The maps, with the modules inspected that frames lie in: all that a Symbolizer needs later.
  const ModuleMap& modules() const;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace vsup::supervisor
