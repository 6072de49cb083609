// Purpose: the hooks of allocation functions for threads that run from the code cache: what hook_entry.S does natively
// the dispatcher does when such a thread comes to the agent's own code.
// Promises: the frame on the app's stack is hook_entry.S's, so that a thread may be moved to native code, or back,
// while the hooked function runs. The layer's locks are held in the dispatcher alone, across a fork by its system call.
#pragma once

namespace vsup::agent {

void install_cache_hooks();

}  // namespace vsup::agent
