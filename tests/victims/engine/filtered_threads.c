// Threads with filters that kill for any system call go to new code at the same time: none of them may sleep while
// another one translates.
// EXPECT: ran to the end 3 times
#include "../toggle/filtered.h"

enum { kFunctions = 20000, kSize = 16, kThreads = 2 };

static unsigned char* code;
static volatile int ready;
static volatile long sums[kThreads];

static void make_functions(void) {
  code = mmap(NULL, kFunctions * kSize, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(code != MAP_FAILED);
  for (int i = 0; i < kFunctions; ++i) {
    unsigned char* function = code + i * kSize;
    function[0] = 0xb8;  // mov $i, %eax; ret
    memcpy(function + 1, &i, 4);
    function[5] = 0xc3;
  }
}

static void* work(void* number) {
  const long self = (long)number;
  forbid_everything();
  __atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
  while (ready < kThreads) {
  }
  long sum = 0;
  for (int i = 0; i < kFunctions; ++i) sum += ((int (*)(void))(code + i * kSize))();
  sums[self] = sum + 1;
  for (;;) {
  }
}

static void run(void) {
  make_functions();
  for (long i = 0; i < kThreads; ++i) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, work, (void*)i) == 0);
  }
  for (long i = 0; i < kThreads; ++i) {
    while (sums[i] == 0) usleep(1000);
    CHECK(sums[i] == (long)kFunctions * (kFunctions - 1) / 2 + 1);
  }
}

int main(void) {
  run_children(run);
}
