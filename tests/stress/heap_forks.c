// Forks 10,000 times while threads allocate: a child has one thread, which finds every lock of the heap free, and a
// heap in which each block is whole. Children allocate, and free what the parent has allocated.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kForks = 10000, kThreads = 3, kBlocks = 32 };

static volatile int stop;

static void* work(void* unused) {
  char* blocks[kBlocks] = {0};
  for (unsigned i = 0; !stop; ++i) {
    free(blocks[i % kBlocks]);
    blocks[i % kBlocks] = malloc(i % 300);
    if (i % 1000 == 0) usleep(100);  // leaves the processors to those who fork
  }
  for (int i = 0; i < kBlocks; ++i) free(blocks[i]);
  return NULL;
}

int main(void) {
  pthread_t threads[kThreads];
  for (int i = 0; i < kThreads; ++i) pthread_create(&threads[i], NULL, work, NULL);
  int good = 0;
  for (int i = 0; i < kForks; ++i) {
    char* text = malloc(50);
    strcpy(text, "of the parent");
    const pid_t child = fork();
    if (child == 0) {
      for (int k = 0; k < 20; ++k) free(malloc(k * 10));
      text = realloc(text, 5000);
      if (strcmp(text, "of the parent") != 0) _exit(1);
      free(text);
      _exit(7);
    }
    int status = 0;
    waitpid(child, &status, 0);
    good += WIFEXITED(status) && WEXITSTATUS(status) == 7;
    free(text);
  }
  stop = 1;
  for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], NULL);
  printf("%d children\n", good);
  return 0;
}
