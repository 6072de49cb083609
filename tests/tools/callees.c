// 1,000 functions, f000 to f999, that two threads call through one site and through another: fN is called N + 1 times
// by each thread from `up`, and 1,000 - N times from `down`.
#include <pthread.h>

#define ONE(n)                                           \
  __attribute__((noinline)) static long f##n(long sum) { \
    return sum + 1##n;                                   \
  }
#define ALL(with)                                                                                             \
  HUNDREDS(with, 0)                                                                                           \
  HUNDREDS(with, 1) HUNDREDS(with, 2) HUNDREDS(with, 3) HUNDREDS(with, 4) HUNDREDS(with, 5) HUNDREDS(with, 6) \
      HUNDREDS(with, 7) HUNDREDS(with, 8) HUNDREDS(with, 9)
#define HUNDREDS(with, h)                                                                               \
  TENS(with, h##0)                                                                                      \
  TENS(with, h##1) TENS(with, h##2) TENS(with, h##3) TENS(with, h##4) TENS(with, h##5) TENS(with, h##6) \
      TENS(with, h##7) TENS(with, h##8) TENS(with, h##9)
#define TENS(with, t) \
  with(t##0) with(t##1) with(t##2) with(t##3) with(t##4) with(t##5) with(t##6) with(t##7) with(t##8) with(t##9)
#define NAME(n) f##n,

enum { kFunctions = 1000 };
ALL(ONE)
static long (*const functions[kFunctions])(long) = {ALL(NAME)};
static volatile long sums[2];

__attribute__((noinline)) static long up(long sum) {
  for (int round = 0; round < kFunctions; ++round)
    for (int i = round; i < kFunctions; ++i) sum = functions[i](sum);
  return sum;
}

__attribute__((noinline)) static long down(long sum) {
  for (int round = 0; round < kFunctions; ++round)
    for (int i = kFunctions - 1 - round; i >= 0; --i) sum = functions[i](sum);
  return sum;
}

static void* work(void* sum) {
  *(volatile long*)sum = up(0) + down(0);
  return NULL;
}

int main(void) {
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i) pthread_create(&threads[i], NULL, work, (void*)&sums[i]);
  for (int i = 0; i < 2; ++i) pthread_join(threads[i], NULL);
  return sums[0] != sums[1];
}
