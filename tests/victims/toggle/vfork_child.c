// Switched by vfork's child, while its parent is suspended in their common memory; then exec, or _exit.
// MODES: default, one-instruction, no-link, tiny-cache
// EXPECT: vfork children 20
#include "toggle.h"
int main(void) {
  toggle_open();
  int good = 0;
  for (int i = 0; i < 20; ++i) {
    volatile int on = i % 2;
    pid_t child = vfork();
    if (child == 0) {
      toggle(on);
      toggle(!on);
      toggle(on);
      if (i % 3 == 0) execl("/bin/sh", "sh", "-c", "exit 6", NULL);
      _exit(6);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    good += WEXITSTATUS(status) == 6;
    if (i % 5 == 0) toggle(1);
  }
  printf("vfork children %d\n", good);
}
