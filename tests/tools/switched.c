// Switches collection by client requests; with an argument first in native code: "native" between two instrumented
// parts, "early" before the first one.
#include <string.h>
#include <valgrind/callgrind.h>

static volatile int sink;

__attribute__((noinline)) int helper(int n) {
  return n ^ sink;
}
__attribute__((noinline)) int seen(int n) {
  int sum = 0;
  for (int i = 0; i < n; ++i) sum += helper(i);
  return sum;
}
__attribute__((noinline)) int hidden(int n) {
  int sum = 0;
  for (int i = 0; i < n; ++i) sum += i ^ sink;
  return sum;
}

int main(int argc, char** argv) {
  if (argc > 1) {
    if (strcmp(argv[1], "native") == 0) {
      CALLGRIND_START_INSTRUMENTATION;
      CALLGRIND_STOP_INSTRUMENTATION;
    }
    CALLGRIND_TOGGLE_COLLECT;
    CALLGRIND_START_INSTRUMENTATION;
    sink = hidden(100);
    CALLGRIND_TOGGLE_COLLECT;
    sink = seen(50);
    CALLGRIND_TOGGLE_COLLECT;
    sink = hidden(100);
    return 0;
  }
  CALLGRIND_TOGGLE_COLLECT;
  for (int i = 0; i < 3; ++i) sink = hidden(100);
  CALLGRIND_TOGGLE_COLLECT;
  sink = seen(50);
  CALLGRIND_TOGGLE_COLLECT;
  sink = hidden(100);
  return 0;
}
