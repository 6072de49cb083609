// Purpose: what the log says when the agent breaks: enough to find the cause without running it again.
// Assumes: nothing about the crash page, which the tracee wrote.
// Promises: plain lines without control characters, bounded in number and length.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "supervisor/session/agent_crash.h"

namespace vsup::supervisor {

struct CodeBytes {
  uint64_t address = 0;  // of the first byte
  std::vector<uint8_t> bytes;
};

// Where the program and the thread's code are; 0: unknown.
uint64_t app_pc_of(const AgentCrash& crash);
uint64_t cache_pc_of(const AgentCrash& crash);

struct CrashInput {
  AgentCrash crash;
  std::string thread_name;
  CodeBytes cache_code, app_code;  // around cache_pc_of and app_pc_of; may be empty
  CodeBytes agent_code;            // around where the thread stopped; may be empty
};

std::vector<std::string> format_crash_report(const CrashInput& input);

// The same, with what the stopped thread tells; lines.
std::string describe_crash(const AgentCrash& crash);

// Reads up to 32 bytes before and 48 after `pc` from a process, as much as is mapped.
CodeBytes read_code_around(pid_t pid, uint64_t pc);

// Text from a tracee made safe to print: stops at a NUL, unprintable bytes become '?'.
std::string printable(const char* text, size_t size);

}  // namespace vsup::supervisor
