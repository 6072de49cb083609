// Purpose: what a session tells the rest of vsup as it happens: the recorder writes session and process
// directories from it.
// Assumes: callbacks come on the event loop's thread, from inside an event of a tracee that stands still meanwhile.
// Promises: for each process image one process_started, then any of the others, then one process_exited; a pid
// that execs gets process_execed for the old image before process_started of the new one (image counts up).
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol/agent_boot.h"
#include "protocol/client_requests.h"
#include "supervisor/base/log.h"
#include "supervisor/session/controller.h"

namespace vsup::supervisor {

struct MappedModule {
  std::string path;
  uint64_t start = 0;        // lowest address
  uint64_t end = 0;          // first byte after
  uint64_t offset = 0;       // file offset of `start`
  bool instrumented = true;  // its code is about to run in the cache
  uint64_t inode = 0;        // of the mapping that has the code, when it is that; else 0
  pid_t tid = 0;             // likewise: the thread that is about to execute it; the first one may have ended

  bool overlaps(const auto& other) const { return start < other.end && other.start < end; }
  bool is_same_code(const MappedModule& other) const {
    return start == other.start && end == other.end && offset == other.offset && inode == other.inode &&
           path == other.path;
  }
};

// How an image ended.
enum class ProcessEnd {
  kExited,    // status is a wait status: WIFEXITED or WIFSIGNALED
  kExeced,    // a new image took its place
  kDetached,  // let go of, runs on; status is 0
};

// Why records are handed over.
enum class RecordsMoment {
  kExit,    // the process ends; its memory is still there
  kExec,    // it is about to execute another program
  kEnding,  // it is about to end, and its libraries to free what they keep for themselves
  kDetach,  // it is let go of
};

// Where a thread leaves a block of code without having executed all of it.
struct BlockLeft {
  uint64_t tag = 0;      // the block's first address; 0: of one that has come to its last instruction, at `pc`
  uint64_t pc = 0;       // the next instruction
  bool counted = false;  // the tool's code that counts the block has been executed
  bool summed = false;   // so has that which adds the block's instructions to their sum
  bool exited = false;   // the tool has counted that the block is left there, not yet what it takes back from the sum

  static BlockLeft last_instruction(uint64_t at) { return {0, at, true, true}; }
};

using ClientRequest = std::array<uint64_t, protocol::client_request::kRequestWords>;

class SessionObserver {
 public:
  virtual ~SessionObserver() = default;

  // A process image begins. Returns the absolute path of its log directory (empty: none); the session puts it
  // into ProcessSummary::directory.
  virtual std::string process_started(const ProcessSummary& process) = 0;

  // Something worth a line in the process's log: why it is not traceable, an exec that is not followed, ...
  virtual void process_note(pid_t pid, const std::string& note) = 0;

  // The process prints by a client request. `where`: its thread, which stands still, for the stack to go with it.
  virtual void client_message(pid_t pid, const std::string& text, const ThreadRegisters* where) = 0;

  // A client request for the tool; the answer, if it gives one.
  virtual std::optional<uint64_t> client_request(StoppedProcess&, pid_t, const ClientRequest&) { return {}; }

  // The agent's half of the tool wants something (Service::kToolRequest), in a thread.
  virtual void agent_request(StoppedProcess&, pid_t, uint64_t, uint64_t) {}

  // A thread of a process, whose context lies at the address, goes on elsewhere than in its block: by a signal, a
  // fault, a switch off, a flush.
  virtual void block_left(pid_t, pid_t, uint64_t, const BlockLeft&) {}

  // A file was mapped executable. May repeat for the same module.
  virtual void module_mapped(pid_t pid, const MappedModule& module) = 0;

  // All threads have moved.
  virtual void mode_changed(pid_t pid, bool on, double time_seconds) = 0;

  // The records that a tool keeps in the process's memory are final or about to go: its threads stand still or have
  // ended. Called for tools that keep records.
  virtual void records_ready(StoppedProcess& process, RecordsMoment moment) = 0;

  // `counters` are final for this image. process_exited follows process_execed only for the new image.
  virtual void process_execed(pid_t pid, const std::vector<CounterValue>& counters) = 0;
  virtual void process_exited(pid_t pid, ProcessEnd end, int wait_status,
                              const std::vector<CounterValue>& counters) = 0;

  // The agent of this process found itself broken or faulted; the process is about to die. `text` is some lines.
  virtual void agent_crashed(pid_t pid, pid_t tid, const std::string& text) = 0;

  // The last traced process has gone. `wait_status` is the first program's, to be mirrored as vsup's own
  // (0 for an attach session).
  virtual void session_ended(int wait_status) = 0;

  // The program has ended, and what it left behind are daemons: nobody waits for them, with SessionOptions::
  // wait_for_daemons off. Once at most; session_ended comes when they have gone, too.
  virtual void only_daemons_left(int) {}

  // The program has ended a while ago, and these, which it has left behind, are waited for. Once at most.
  virtual void waits_for_rest(const std::vector<ProcessSummary>&) {}

  // One line of the supervisor's own log.
  virtual void log(LogLevel level, const std::string& line) = 0;
};

}  // namespace vsup::supervisor
