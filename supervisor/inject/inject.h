// Purpose: brings the agent into a stopped process, and takes it out again without a trace.
//
//   inject: ranges free? -> map blob segments, cache, literals+heap+slots -> copy segments -> shared block by memfd
//           -> settings -> context of the calling thread's slot -> Exports::initialize
//   eject:  unmap all of it (the memfd's descriptor was closed when it was mapped)
//
// Assumes: `tracee` is stopped where RemoteCalls works, in app state; no other thread of the address space runs.
// Promises: registers come back; on failure everything mapped so far is unmapped again.
#pragma once

#include <cstdint>
#include <string>

#include "protocol/agent_boot.h"
#include "supervisor/inject/agent_image.h"
#include "supervisor/ptrace/tracee.h"

namespace vsup::supervisor {

// vsup's view of a SharedBlock. The tracee may write anything there at any time.
class SharedView {
 public:
  SharedView() = default;
  SharedView(SharedView&& other) noexcept;
  SharedView& operator=(SharedView&& other) noexcept;
  ~SharedView();
  // Maps the memfd `descriptor` of process `pid`; false when that fails.
  bool map(pid_t pid, int descriptor);
  explicit operator bool() const { return block_ != nullptr; }
  uint64_t counter(unsigned index) const;
  protocol::CrashPage crash() const;  // strings are terminated

 private:
  volatile protocol::SharedBlock* block_ = nullptr;
};

// Address of a `syscall` instruction in the vdso at `vdso_base`, 0 when there is none.
uint64_t find_vdso_syscall(uint64_t vdso_base);

// Empty, or why the agent's ranges cannot be used.
std::string check_ranges_free(pid_t pid);

// Empty on success, else one clear line.
std::string inject_agent(Tracee& tracee, uint64_t syscall_pc, const AgentImage& image,
                         const protocol::AgentSettings& settings, SharedView& shared);

// Maps a fresh shared block over the one at kSharedBase (a fork's child still has its parent's).
std::string replace_shared_block(Tracee& tracee, uint64_t syscall_pc, SharedView& shared);

// `syscall_pc` must lie outside the arena.
void eject_agent(Tracee& tracee, uint64_t syscall_pc);

// Writes the context of a new thread in slot `slot`, its other pages are as they are.
uint64_t slot_address(unsigned slot);
protocol::ThreadContext fresh_context(unsigned slot);

}  // namespace vsup::supervisor
