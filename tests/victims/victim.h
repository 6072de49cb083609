// Purpose: what all victims share. A victim checks itself, prints its result in one line, and the same without vsup.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define CHECK(condition)                                                                     \
  do {                                                                                       \
    if (!(condition)) {                                                                      \
      printf("%s:%d: %s does not hold (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
      fflush(stdout);                                                                        \
      _exit(99);                                                                             \
    }                                                                                        \
  } while (0)

static inline double elapsed_ms(void) {
  static struct timespec start;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  if (start.tv_sec == 0) start = now;
  return (now.tv_sec - start.tv_sec) * 1e3 + (now.tv_nsec - start.tv_nsec) / 1e6;
}

// Repeats what follows long enough for a few toggles from outside, at least twice.
#define EACH_ROUND for (int round_ = 0; round_ < 2 || elapsed_ms() < 50; ++round_)

// Addresses of the agent's arena, which no app may ever see.
static inline int in_arena(uint64_t value) {
  return value >= 0x270000000000 && value < 0x270200000000;
}

// Readable, writable and executable memory.
static inline uint8_t* code_pages(size_t bytes) {
  void* memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) abort();
  return (uint8_t*)memory;
}

static inline void on_signal_flags(int signal, void (*handler)(int, siginfo_t*, void*), int flags) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | flags;
  if (sigaction(signal, &action, NULL) != 0) abort();
}

static inline void on_signal(int signal, void (*handler)(int, siginfo_t*, void*)) {
  on_signal_flags(signal, handler, 0);
}

// Bytes that return `value`: mov eax, imm32; ret.
static inline void put_return(uint8_t* at, uint32_t value) {
  at[0] = 0xb8;
  memcpy(at + 1, &value, 4);
  at[5] = 0xc3;
}
