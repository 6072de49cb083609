// Calls functions of the C library through linkage tables, and is called back by one, 200 times.
#include <stdlib.h>

static int compare(const void* a, const void* b) {
  return *(const int*)a - *(const int*)b;
}

__attribute__((noinline)) static long fill(int* values, int seed) {
  long sum = 0;
  for (int i = 0; i < 10; ++i) sum += values[i] = (i * 7919 + seed) % 101;
  return sum;
}

int main(void) {
  long sum = 0;
  int values[10];
  for (int i = 0; i < 200; ++i) {
    sum += fill(values, i);
    qsort(values, 10, sizeof *values, compare);
    sum += labs(values[0]);
  }
  return sum == 0;
}
