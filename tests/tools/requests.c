// Makes client requests of Valgrind's headers: requests KIND [PLUGIN ...]. `work(n)` costs the same for the same n.
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

__attribute__((noinline)) long work(int n) {
  volatile long sum = 0;
  for (int i = 0; i < n; ++i) sum += i;
  return sum;
}

static long called(long tid, long a, long b, long c) {
  return work(10) * 0 + a + 10 * b + 100 * c;
}

__attribute__((noinline)) void with_stack(void) {
  VALGRIND_PRINTF_BACKTRACE("stack of %s\n", "with_stack");
}

__attribute__((noinline)) static void answers(void) {
  printf("running %d\n", (int)RUNNING_ON_VALGRIND);
  printf("printed %d\n", VALGRIND_PRINTF("number %d, text %s, real %.2f\n", 42, "here", 2.5));
  VALGRIND_PRINTF("half a line");
  VALGRIND_PRINTF(", the other half\n");
  with_stack();
  long none = (long)VALGRIND_NON_SIMD_CALL0(called) & 0, one = (long)VALGRIND_NON_SIMD_CALL1(called, 1) % 10;
  long two = (long)VALGRIND_NON_SIMD_CALL2(called, 1, 2) % 100, three = (long)VALGRIND_NON_SIMD_CALL3(called, 1, 2, 3);
  printf("calls %ld %ld %ld %ld\n", none, one, two, three);
  printf("errors %d\n", (int)VALGRIND_COUNT_ERRORS);
  VALGRIND_PRINTF("no end of line");
}

static void* start_and_stop(void* unused) {
  for (int i = 0; i < 5; ++i) {
    work(1000);
    CALLGRIND_START_INSTRUMENTATION;
    work(1000);
    CALLGRIND_STOP_INSTRUMENTATION;
  }
  return NULL;
}

static void handler(int number) {
  CALLGRIND_START_INSTRUMENTATION;
  work(1000);
  CALLGRIND_STOP_INSTRUMENTATION;
}

static void* spin(void* stop) {
  while (!*(volatile int*)stop) work(10);
  return NULL;
}

int main(int argc, char** argv) {
  const char* kind = argc > 1 ? argv[1] : "";
  if (strcmp(kind, "answers") == 0) {
    answers();
  } else if (strcmp(kind, "wait") == 0) {
    char line[8];
    puts("ready");
    fflush(stdout);
    fgets(line, sizeof line, stdin);
    start_and_stop(NULL);
  } else if (strcmp(kind, "start-stop") == 0) {
    start_and_stop(NULL);
  } else if (strcmp(kind, "in-thread") == 0) {
    int stop = 0;
    pthread_t threads[3];
    pthread_create(&threads[0], NULL, spin, &stop);
    pthread_create(&threads[1], NULL, spin, &stop);
    pthread_create(&threads[2], NULL, start_and_stop, NULL);
    pthread_join(threads[2], NULL);
    stop = 1;
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
  } else if (strcmp(kind, "in-handler") == 0) {
    signal(SIGUSR1, handler);
    for (int i = 0; i < 5; ++i) raise(SIGUSR1);
  } else if (strcmp(kind, "after-fork") == 0) {
    if (fork() == 0) {
      start_and_stop(NULL);
      fflush(stdout);
      _exit(0);
    }
    wait(NULL);
  } else if (strcmp(kind, "plugin") == 0) {
    void* plugin = dlopen(argv[2], RTLD_NOW);
    if (plugin == NULL) return 2;
    ((void (*)(void))dlsym(plugin, "measured"))();
  } else if (strcmp(kind, "plugins") == 0) {  // "-": close the last one, "wait": for a line
    char line[8];
    void* plugin = NULL;
    for (int i = 2; i < argc; ++i) {
      if (strcmp(argv[i], "-") == 0) {
        dlclose(plugin);
      } else if (strcmp(argv[i], "wait") == 0) {
        puts("ready");
        fflush(stdout);
        fgets(line, sizeof line, stdin);
      } else {
        plugin = dlopen(argv[i], RTLD_NOW);
        if (plugin == NULL) return 2;
        ((void (*)(void))dlsym(plugin, "measured"))();
      }
    }
  } else if (strcmp(kind, "parts") == 0) {
    CALLGRIND_ZERO_STATS;
    work(100);
    CALLGRIND_DUMP_STATS;
    work(200);
    CALLGRIND_DUMP_STATS_AT("second part");
    work(300);
    CALLGRIND_ZERO_STATS;
    work(400);
  } else if (strcmp(kind, "collect") == 0) {
    for (int i = 0; i < 3; ++i) {
      work(100);
      CALLGRIND_TOGGLE_COLLECT;
      work(100);
      CALLGRIND_TOGGLE_COLLECT;
    }
  }
  printf("%s done\n", kind);
  return 0;
}
