// Purpose: runs app code from the agent's code cache inside the test's own process, without a supervisor: the arena is
// mapped here, and SIGTRAP stands for the supervisor's stops.
// Assumes: x86-64 with FSGSBASE; one thread. Promises: the state of GPRs, flags and the xsave area at the end of a
// snippet, whether it ended at `kSnippetEnd`, by a fault, or by a trap.
#pragma once

#include <setjmp.h>
#include <signal.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "protocol/agent_boot.h"

namespace vsup::test {

// Where snippets jump when they are done; nothing is mapped there.
inline constexpr uint64_t kSnippetEnd = 0x10'0000'0000;

// MachineState::signal of a cached run that met an instruction which only the supervisor can execute.
inline constexpr int kNativeOnlySignal = 1000;

struct MachineState {
  uint64_t gpr[16];
  uint64_t rflags;
  uint64_t pc;  // app pc at the end: kSnippetEnd, or of the faulting instruction
  int signal;   // 0: ran to its end
  int signal_code;
  uint64_t fault_address;
  std::vector<uint8_t> xsave;  // the kernel's frame: legacy area, header, extended components
};

class InProcessAgent {
 public:
  // Maps the agent that vsup carries and initialises it; exits with a message when the arena is taken.
  explicit InProcessAgent(const protocol::AgentSettings& settings);

  // Runs from `state` (gpr, rflags, pc, xsave where not empty) natively or from the code cache.
  void run_native(MachineState& state);
  void run_cached(MachineState& state);

  // Empties the code cache.
  void reset();

  const protocol::AgentState& agent_state() const;
  uint64_t counter(protocol::CounterIndex index) const;

 private:
  void run(MachineState& state, bool cached);
};

}  // namespace vsup::test
