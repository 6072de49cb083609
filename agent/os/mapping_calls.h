// Purpose: mmap, munmap, mremap and brk made in the dispatcher, for who wants to know what they have done.
#pragma once

#include "agent/engine/syscall_handler.h"

namespace vsup::agent {

// Makes the call whose registers are in `ctx` (any other one, too) and tells `watch`. Returns its result.
int64_t watched_mapping_call(const protocol::ThreadContext& ctx, const MappingWatch& watch);

}  // namespace vsup::agent
