// Purpose: what the dispatcher tells the assembly around it to do next.
#pragma once

#define VSUP_ACTION_RESUME 0     // restore the app state and jump to next_cache_pc
#define VSUP_ACTION_SYSCALL 1    // restore, make the system call, jump to next_cache_pc
#define VSUP_ACTION_FORK 2       // restore, make the system call with the agent's lock held, dispatch again
#define VSUP_ACTION_SIGRETURN 3  // restore, make the system call, which does not return here
#define VSUP_ACTION_SERVICE 4    // stop at the service trap; the supervisor moves the thread
