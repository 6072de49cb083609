// SIGKILL.
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void* kept;

int main(void) {
  kept = malloc(33);
  memset(malloc(44), 1, 44);
  kill(getpid(), SIGKILL);
  for (;;) pause();
}
