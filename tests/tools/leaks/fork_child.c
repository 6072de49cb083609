// A child of fork has its parent's blocks and its own.
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void* kept;

int main(void) {
  kept = malloc(10);
  memset(malloc(20), 1, 20);
  pid_t child = fork();
  if (child == 0) {
    free(kept);
    kept = NULL;
    memset(malloc(40), 1, 40);
    exit(0);
  }
  waitpid(child, NULL, 0);
  memset(malloc(80), 1, 80);
  return 0;
}
