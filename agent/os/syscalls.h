// Purpose: the system calls that cannot simply be made from the cache, and what is done about each.
#pragma once

namespace vsup::agent {

// Hooks the table of syscalls.cpp into the dispatcher.
void install_syscall_handler();

}  // namespace vsup::agent
