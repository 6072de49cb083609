// exit in a signal handler on a stack of its own, with pointers on both stacks.
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static char alternate[65536];

static void handle(int number) {
  char* volatile held = malloc(81);
  memset(held, 1, 81);
  _Exit(number == SIGUSR1 ? 0 : 1);
}

int main(void) {
  stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
  sigaltstack(&stack, NULL);
  struct sigaction action = {.sa_handler = handle, .sa_flags = SA_ONSTACK};
  sigaction(SIGUSR1, &action, NULL);
  char* volatile held = malloc(82);
  memset(held, 1, 82);
  memset(malloc(83), 1, 83);
  raise(SIGUSR1);
  return 1;
}
