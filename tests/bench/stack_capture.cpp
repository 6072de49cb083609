// How long one captured stack takes, by depth: ns for the walk and the interning of a stack that was seen before.
#include <chrono>
#include <cstdio>

#include "tests/harness/own_stack.h"

namespace {

uint32_t last;

[[gnu::noinline]] double measure(unsigned depth) {
  constexpr int kRounds = 200000;
  double best = 1e9;
  for (int repeat = 0; repeat < 5; repeat++) {
    auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kRounds; i++) last = vsup_capture_here(depth);
    std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - start;
    best = std::min(best, taken.count() / kRounds);
  }
  return best;
}

[[gnu::noinline]] double recurse(int more, unsigned depth) {
  double result = more == 0 ? measure(depth) : recurse(more - 1, depth);
  asm volatile("" ::: "memory");
  return result;
}

}  // namespace

int main() {
  if (!own_stack::update_tables()) return 1;
  for (unsigned depth : {1u, 8u, 15u, 30u, 100u}) std::printf("%3u frames: %.0f ns\n", depth, recurse(120, depth));
  return 0;
}
