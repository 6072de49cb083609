// A program of calls that are hard to follow: longjmp and exceptions out of recursion, tail calls, virtual functions,
// mutual recursion, calls through the procedure linkage table.
#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>
static jmp_buf env;
#define N __attribute__((noinline))
volatile int sink;
N int deep(int n) {
  if (n == 0) longjmp(env, 1);
  return deep(n - 1) + sink;
}
N int thrower(int n) {
  if (n == 0) throw std::runtime_error("x");
  return thrower(n - 1) + sink;
}
N int catcher(int n) {
  try {
    return thrower(n);
  } catch (std::exception&) {
    return 1;
  }
}
N int tail_b(int x) {
  return x + sink;
}
N int tail_a(int x) {
  sink++;
  return tail_b(x + 1);
}
struct B {
  virtual int f(int x) { return x + 1; }
  virtual ~B() {}
};
struct D : B {
  int f(int x) override { return x + sink; }
};
N int call(B& b, int n) {
  int s = 0;
  for (int i = 0; i < n; i++) s += b.f(i);
  return s;
}
N int odd(int n);
N int even(int n) {
  if (n == 0) return 1;
  int r = odd(n - 1);
  sink += r;
  return r;
}
N int odd(int n) {
  if (n == 0) return 0;
  int r = even(n - 1);
  sink += r;
  return r;
}
N int sorter(int n) {
  std::vector<int> v;
  for (int i = 0; i < n; i++) v.push_back(i * 7919 % 1009);
  std::sort(v.begin(), v.end());
  return v[0];
}
N int strings(int n) {
  std::map<std::string, int> m;
  for (int i = 0; i < n; i++) m["k" + std::to_string(i % 50)]++;
  return m.size();
}
N int jumper(int n) {
  if (setjmp(env) == 0) return deep(n);
  return 0;
}
int main() {
  int s = 0;
  for (int i = 0; i < 20; i++) s += jumper(i % 5) + catcher(i % 4) + tail_a(i);
  B b;
  D d;
  s += call(b, 10) + call(d, 20) + even(9) + sorter(500) + strings(200);
  printf("%d\n", s);
}
