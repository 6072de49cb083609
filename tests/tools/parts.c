// Programs whose profile has parts: parts KIND. Functions that are left by the end of the process or of a thread, by a
// signal, in threads and in a fork's child; locked instructions and system calls of known number.
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#define FUNCTION __attribute__((noinline, noclone))
enum Way { kReturns, kExits, kExitsAtOnce, kEndsThread, kAborts };

static volatile long sink;
static volatile int word;
static volatile long wide;

FUNCTION void work(int n) {
  for (int i = 0; i < n; ++i) sink += i;
}

FUNCTION void ends(enum Way way) {
  work(10);
  if (way == kExits) exit(3);
  if (way == kExitsAtOnce) _exit(4);
  if (way == kEndsThread) pthread_exit(NULL);
  if (way == kAborts) abort();
}

FUNCTION void outer(enum Way way) {
  work(3);
  ends(way);
  work(4);
}

FUNCTION void* thread(void* way) {
  work(1000);
  ends((enum Way)(long)way);
  work(5);
  return NULL;
}

static void run_thread(enum Way way) {
  pthread_t born;
  pthread_create(&born, NULL, thread, (void*)(long)way);
  pthread_join(born, NULL);
}

// Seven locked instructions a round, of which xchg has no prefix.
FUNCTION void locks(int n) {
  for (int i = 0; i < n; ++i) {
    __asm__ volatile(
        "lock incl %0\n\tlock xaddl %%eax, %0\n\txchgl %%eax, %0\n\tlock cmpxchgl %%ecx, %0\n\tlock orq $1, %1\n\t"
        "lock btsl $3, %0\n\tlock negq %1\n\tmfence\n\tcmpxchgl %%ecx, %0\n\taddl $1, %0"
        : "+m"(word), "+m"(wide)
        :
        : "eax", "memory");
  }
}

FUNCTION void calls(int n) {
  for (int i = 0; i < n; ++i) syscall(110);  // getppid, by its number
}

FUNCTION void sleeps(void) {
  usleep(20000);
}

int main(int argc, char** argv) {
  const char* kind = argc > 1 ? argv[1] : "plain";
  if (strcmp(kind, "plain") == 0) {
    work(100);
    locks(10);
    calls(5);
    sleeps();
  }
  if (strcmp(kind, "exit") == 0) outer(kExits);
  if (strcmp(kind, "_exit") == 0) outer(kExitsAtOnce);
  if (strcmp(kind, "abort") == 0) outer(kAborts);
  if (strcmp(kind, "thread") == 0) {
    run_thread(kReturns);
    run_thread(kEndsThread);
    work(7);
    run_thread(kEndsThread);
    work(8);
  }
  if (strcmp(kind, "one-thread") == 0) {
    work(6);
    run_thread(kEndsThread);
    outer(kReturns);
  }
  if (strcmp(kind, "requests") == 0) {
    work(100);
    CALLGRIND_DUMP_STATS;
    work(200);
    CALLGRIND_DUMP_STATS_AT("two");
    work(300);
  }
  if (strcmp(kind, "fork") == 0) {
    work(100);
    if (fork() == 0) {
      outer(kReturns);
      return 0;
    }
    wait(NULL);
    outer(kReturns);
  }
  return 0;
}
