// Purpose: the callgrind tool's records of a process that goes on afterwards: to begin them anew, and the few numbers
// that are asked for often.
// Assumes: agent/tools/callgrind/records.h says where they lie. Promises: trusts no number it reads.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "supervisor/reports/cachesim/cache_options.h"
#include "supervisor/session/stopped_process.h"

namespace vsup::supervisor::callgrind {

// All counts of all threads, or of the one with a number, become 0; what open functions cost counts from here on.
void zero_records(StoppedProcess& process, const cachesim::Simulation& simulation, unsigned thread = 0);

// ThreadProfile::number of the thread whose slot it is.
unsigned thread_number(uint64_t slot);

// A function that a thread has not left yet.
struct OpenFrame {
  uint64_t site = 0, callee = 0;  // the call or jump; the function's first instruction
  uint64_t calls = 0;             // of this way to it, since the last dump or zero
  uint64_t inclusive = 0;         // Ir, of these calls
};

struct LiveThread {
  unsigned number = 0;  // as ThreadProfile's
  pid_t tid = 0;
  std::string name;
  uint64_t pc = 0;
  uint64_t ir = 0;                // since the last dump or zero
  std::vector<uint64_t> events;   // the same and the simulated ones, as Simulation::events()
  std::vector<OpenFrame> frames;  // innermost first
  size_t frames_left_out = 0;     // further out
};

inline constexpr size_t kMostFrames = 1000;

// At the end of a process: what functions after which a part is due were not left, in the order in which they would be.
struct UnfinishedFunction {
  uint64_t function = 0;  // its first instruction
  unsigned thread = 0;    // as ThreadProfile's number; 0: of one that ended before
};
std::vector<UnfinishedFunction> unfinished_functions(const StoppedProcess& process);

// Threads that have counted something. `with_frames`: else only their events.
std::vector<LiveThread> read_live_threads(const StoppedProcess& process, const cachesim::Simulation& simulation,
                                          bool with_frames);

}  // namespace vsup::supervisor::callgrind
