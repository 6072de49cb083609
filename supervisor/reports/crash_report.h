// Purpose: what the log says when the agent breaks: enough to find the cause without running it again.
// Assumes: nothing about the crash page, which the tracee wrote.
// Promises: plain lines without control characters, bounded in number and length.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol/agent_boot.h"
#include "supervisor/symbols/symbolizer.h"

namespace vsup::supervisor {

struct CodeBytes {
  uint64_t address = 0;  // of the first byte
  std::vector<uint8_t> bytes;
};

struct CrashInput {
  pid_t pid = 0, tid = 0;
  std::string thread_name;
  int signal = 0;                                  // that stopped the agent; 0: it found the fault itself
  uint64_t fault_address = 0;                      // si_addr of a memory fault
  std::optional<protocol::CrashPage> page;         // of SharedBlock; ignored unless valid
  std::optional<protocol::ThreadContext> context;  // of the thread
  std::optional<protocol::FragmentInfo> fragment;  // that holds cache_pc
  uint64_t gpr[16] = {};                           // at the stop, GprIndex order
  uint64_t pc = 0, flags = 0, gs_base = 0;         // at the stop
  uint64_t cache_pc = 0, app_pc = 0;               // 0: unknown (those of the page are used)
  CodeBytes cache_code, app_code, agent_code;      // around cache_pc, app_pc and pc; may be empty
  std::vector<Frame> app_frames;                   // stack of the app, if it could be walked
  std::string agent_file;                          // agent.elf with debug information, for gdb; may be empty
  uint64_t agent_text_start = 0;
};

std::vector<std::string> format_crash_report(const CrashInput& input);

// Reads up to 32 bytes before and 48 after `pc` from a process, as much as is mapped.
CodeBytes read_code_around(pid_t pid, uint64_t pc);

// Text from a tracee made safe to print: stops at a NUL, unprintable bytes become '?'.
std::string printable(const char* text, size_t size);

}  // namespace vsup::supervisor
