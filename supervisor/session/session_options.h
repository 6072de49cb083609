// Purpose: what a session is to run and how; filled from the command line.
// Assumes: patterns are split already (one pattern per element, none empty).
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "protocol/agent_boot.h"
#include "supervisor/session/agent_crash.h"
#include "supervisor/session/module_watch.h"

namespace vsup::supervisor {

inline protocol::AgentSettings default_agent_settings() {
  protocol::AgentSettings settings{};
  settings.max_block_instructions = 128;
  settings.link = 1;
  settings.cache_limit = static_cast<uint32_t>(protocol::kCacheHotSize - (1u << 20));
  settings.flush_every = 0;
  settings.translate_limit = ~uint64_t{0};
  settings.check_all = 0;
  settings.verify = 0;
  return settings;
}

struct SessionOptions {
  std::vector<std::string> arguments;  // the program (looked up in PATH when it has no slash) and its arguments
  std::vector<pid_t> attach_pids;      // used when `arguments` is empty
  std::string tool = "none";
  bool trace_children = false;                    // --trace-children: follow execs of children, too
  std::vector<std::string> skip_patterns;         // --trace-children-skip=: shell patterns for the executable
  std::vector<std::string> skip_by_arg_patterns;  // --trace-children-skip-by-arg=: shell patterns for each argument
  bool wait_for_daemons = true;                   // --wait-for-daemons: else the observer hears when only they are left
  bool instrument_at_start = true;                // --instr-atstart
  bool native_requests = false;                   // client requests are answered in native code, too
  std::string searched_code;                      // file of SearchedCode, empty: none
  protocol::AgentSettings settings = default_agent_settings();
  bool walks_stacks = false;  // ToolDescription::walks_stacks
  // For each address space, when settings.hook_heap or walks_stacks is set.
  std::function<std::unique_ptr<ModuleWatch>()> make_module_watch;
  // What the log says of an agent that has broken, in lines.
  std::function<std::string(const AgentCrash&)> describe_crash;
};

}  // namespace vsup::supervisor
