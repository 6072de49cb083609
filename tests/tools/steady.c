// A static program without a library that executes the same number of instructions each time, for a second or two.
static volatile long sink;

__attribute__((noinline)) static long fib(int n) {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

__attribute__((noinline)) static void loop(int n) {
  for (int i = 0; i < n; ++i) sink += i;
}

void _start(void) {
  for (int i = 0; i < 1500; ++i) {
    sink += fib(20);
    loop(300000);
  }
  asm volatile("syscall" : : "a"(231L), "D"(0L));
}
