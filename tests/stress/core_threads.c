// Purpose: four threads at different places, one of which ends the process by a signal that dumps core. ARGV[1] says
// how: abort, fault, thread (a fault of a thread that is not the leader), wait (for a signal from outside).
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char* how;
static volatile int ready;

// Its registers are known at any moment.
void computes_in_app(void);
__asm__(
    ".text\n.globl computes_in_app\n.type computes_in_app, @function\ncomputes_in_app:\n"
    "  movabs $0x1111222233334444, %rbx\n  movabs $0x5555666677778888, %r12\n  movabs $0x99990000aaaabbbb, %r15\n"
    "1: lea 1(%rax), %rax\n  jmp 1b\n.size computes_in_app, . - computes_in_app\n");

static void* computing(void* unused) {
  __sync_fetch_and_add(&ready, 1);
  computes_in_app();
  return unused;
}

__attribute__((noinline)) static void calls_in_app(int fd) {
  char byte;
  __sync_fetch_and_add(&ready, 1);
  for (;;)
    if (read(fd, &byte, 1) != 1) _exit(3);
}
static void* calling(void* unused) {
  calls_in_app(open("/dev/zero", O_RDONLY));
  return unused;
}

__attribute__((noinline)) static void dies_in_app(void) {
  if (!strcmp(how, "abort")) abort();
  *(volatile int*)8 = 1;
}

__attribute__((noinline)) static void blocks_in_app(int dies) {
  __sync_fetch_and_add(&ready, 1);
  while (ready != 4) usleep(1000);
  usleep(20000);
  if (dies) dies_in_app();
  for (;;) pause();
}
static void* blocked(void* unused) {
  blocks_in_app(!strcmp(how, "thread"));
  return unused;
}

int main(int argc, char** argv) {
  pthread_t threads[3];
  how = argv[1];
  pthread_create(&threads[0], 0, computing, 0);
  pthread_create(&threads[1], 0, calling, 0);
  pthread_create(&threads[2], 0, blocked, 0);
  while (ready != 3) usleep(1000);
  puts("ready");
  fflush(stdout);
  blocks_in_app(!strcmp(how, "abort") || !strcmp(how, "fault"));
}
