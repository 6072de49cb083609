// Instrumentation is switched while many functions are open: in a recursion that goes down and comes up natively, in a
// callback of the C library, in a coroutine, in a signal handler, in a thread that blocks meanwhile.
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#define NOINLINE __attribute__((noinline))
static volatile long sink;

NOINLINE void leaf(void) {
  for (int i = 0; i < 100; ++i) sink += i;
}
// The bits of `switches` tell at which depths instrumentation goes on (or off, when it is on) on the way down.
NOINLINE void down(int depth, int bottom, unsigned long switches) {
  static int on;
  if (depth == 0) on = 0;
  if ((switches >> depth & 1) != 0) {
    on = !on;
    if (on)
      CALLGRIND_START_INSTRUMENTATION;
    else
      CALLGRIND_STOP_INSTRUMENTATION;
  }
  if (depth < bottom) down(depth + 1, bottom, switches);
  leaf();
}
NOINLINE void outer(int bottom, unsigned long switches) {
  down(0, bottom, switches);
  leaf();
  CALLGRIND_STOP_INSTRUMENTATION;
}

static int compare(const void* a, const void* b) {
  static int calls;
  if (++calls == 5) CALLGRIND_START_INSTRUMENTATION;
  leaf();
  return *(const int*)a - *(const int*)b;
}
NOINLINE void callback(void) {
  int values[20];
  for (int i = 0; i < 20; ++i) values[i] = i * 7 % 20;
  qsort(values, 20, sizeof values[0], compare);
}

static ucontext_t back, inside;
NOINLINE void coroutine(void) {
  CALLGRIND_START_INSTRUMENTATION;
  leaf();
}
NOINLINE void switches_stacks(void) {
  static char stack[65536];
  getcontext(&inside);
  inside.uc_stack.ss_sp = stack;
  inside.uc_stack.ss_size = sizeof stack;
  inside.uc_link = &back;
  makecontext(&inside, coroutine, 0);
  swapcontext(&back, &inside);
  leaf();
}

static void handler(int number) {
  (void)number;
  CALLGRIND_START_INSTRUMENTATION;
  leaf();
}
NOINLINE void is_interrupted(void) {
  signal(SIGUSR1, handler);
  raise(SIGUSR1);
  leaf();
}

static sem_t ready, go;
NOINLINE void waits(void) {
  sem_post(&ready);
  sem_wait(&go);
  leaf();
}
static void* thread(void* unused) {
  waits();
  return unused;
}
NOINLINE void switches_for_all(void) {
  pthread_t other;
  sem_init(&ready, 0, 0);
  sem_init(&go, 0, 0);
  pthread_create(&other, NULL, thread, NULL);
  sem_wait(&ready);
  CALLGRIND_START_INSTRUMENTATION;
  sem_post(&go);
  pthread_join(other, NULL);
  leaf();
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "down") == 0) {
    for (int i = 2; i + 1 < argc; i += 2) outer(atoi(argv[i]), strtoul(argv[i + 1], NULL, 0));
  } else if (strcmp(what, "callback") == 0) {
    callback();
  } else if (strcmp(what, "coroutine") == 0) {
    switches_stacks();
  } else if (strcmp(what, "handler") == 0) {
    is_interrupted();
  } else if (strcmp(what, "thread") == 0) {
    switches_for_all();
  } else if (strcmp(what, "reads") == 0) {
    char byte;
    while (read(STDIN_FILENO, &byte, 1) == 1) {
      leaf();
      if (write(STDOUT_FILENO, &byte, 1) != 1) return 1;
    }
  }
  return 0;
}
