// Purpose: wires the layers together; the only file of the agent that knows them all.
#include "agent/engine/code_cache.h"
#include "agent/heap/cache_hooks.h"
#include "agent/os/syscalls.h"
#include "agent/toolapi/tool.h"

extern "C" void vsup_initialize();

// Run once in each process image by the supervisor, before any thread enters the cache.
void vsup_initialize() {
  vsup::agent::code_cache.initialize();
  vsup::agent::install_syscall_handler();
  if (vsup_settings.hook_heap != 0 && vsup_settings.run_native == 0) vsup::agent::install_cache_hooks();
  vsup::agent::install_tool();
}
