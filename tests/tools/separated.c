// Functions to tell apart, to skip and to group: two callers of one helper, one of them through a wrapper that calls
// itself; mutual recursion.
static volatile int sink;
#define FUNCTION __attribute__((noinline, noclone)) int

FUNCTION helper(int n) {
  int sum = 0;
  for (int i = 0; i < n; ++i) sum += i ^ sink;
  return sum;
}

FUNCTION wrapper(int n) {
  if (n > 10) return wrapper(n - 1) + 1;
  return helper(n) + helper(2 * n);
}

FUNCTION first(int n) {
  return helper(n) + 1;
}

FUNCTION second(int n) {
  return wrapper(n) + first(n) + 2;
}

int ping(int n);
FUNCTION pong(int n) {
  return n <= 0 ? helper(3) : ping(n - 1) + pong(n - 3) + 1;
}
FUNCTION ping(int n) {
  return n <= 0 ? helper(2) : pong(n - 1) + 2;
}

FUNCTION work(int rounds) {
  int sum = 0;
  for (int i = 0; i < rounds; ++i) sum += first(i) + second(12) + ping(9);
  return sum;
}

int main(void) {
  sink = work(5);
  return 0;
}
