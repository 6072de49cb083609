// The agent's stack capture as a library for programs under test.
#include "tests/harness/own_stack.h"

extern "C" int vsup_probe_map() {
  struct sigaction action {};
  action.sa_sigaction = &own_stack::mend_fault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  return sigaction(SIGSEGV, &action, nullptr) == 0 && own_stack::map_memory();
}
