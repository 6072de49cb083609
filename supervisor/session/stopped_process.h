// Purpose: a process that stands still, as tools see it.
// Assumes: used only inside the callback that it is handed to, on the event loop's thread.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace vsup::supervisor {

// Registers of one stopped thread in app terms: never a code cache address.
struct ThreadRegisters {
  pid_t tid = 0;
  std::string name;
  uint64_t gpr[16] = {};  // protocol::GprIndex order
  uint64_t pc = 0;
  uint64_t fs_base = 0;
  uint64_t context = 0;  // address of its protocol::ThreadContext, the start of its slot; 0: it has none
};

class StoppedProcess {
 public:
  virtual ~StoppedProcess() = default;

  virtual pid_t pid() const = 0;
  // One of its threads, for /proc and process_vm_readv.
  virtual pid_t tid() const = 0;
  // AgentState's: records of another one are an ancestor's. 0: the agent is not in it.
  virtual uint64_t generation() const = 0;
  // Those that stand in app state. At the end of a process: as they stood, of those that had not ended before.
  virtual const std::vector<ThreadRegisters>& threads() const = 0;

  // All or nothing; false when the range is not mapped.
  virtual bool read(uint64_t address, void* to, size_t size) const = 0;
  virtual bool write(uint64_t address, const void* from, size_t size) = 0;

  // Has a thread run the agent's `void function(void)`, which must not block. False at the end of a process, or when
  // no thread can.
  virtual bool call_agent(uint64_t function) = 0;
};

}  // namespace vsup::supervisor
