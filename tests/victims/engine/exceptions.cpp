// C++ exceptions through many frames with destructors: the unwinder sees app return addresses only.
// EXPECT: caught 200 destroyed 20000
#include <stdexcept>
#include <string>
#include "../victim.h"
static int destroyed;
struct Guard {
  ~Guard() { ++destroyed; }
};
static int __attribute__((noinline)) descend(int n) {
  Guard guard;
  if (n == 1) throw std::runtime_error("bottom " + std::to_string(n));
  return descend(n - 1) + 1;
}
int main() {
  int caught = 0;
  for (int i = 0; i < 200; ++i) {
    try {
      descend(100);
    } catch (const std::exception& e) {
      CHECK(std::string(e.what()) == "bottom 1");
      ++caught;
    }
  }
  printf("caught %d destroyed %d\n", caught, destroyed);
}
