#include "agent/base/settings.h"

// Initialised, so that it lies in the data that the supervisor writes before the first instruction.
vsup::protocol::AgentSettings vsup_settings = {
    .max_block_instructions = 128,
    .link = 1,
    .cache_limit = vsup::protocol::kCacheHotSize,
    .flush_every = 0,
    .translate_limit = ~0ull,
    .check_all = 0,
    .verify = 0,
    .pass_rseq = 0,
    .guard_trap = vsup::protocol::kTrapUnhandled,
    .ignore_trap = 0,
    .guard_faults = 0,
    .hook_heap = 0,
    .python_stacks = 0,
    .python_malloc = 0,
    .run_native = 0,
    .tool_name = {},
    .tool_options = {},
};
