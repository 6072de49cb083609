// C++ exceptions through many frames with destructors: the unwinder sees app return addresses only.
// EXPECT: caught 50 destroyed 2000
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
  for (int i = 0; i < 50; ++i) {
    try {
      descend(40);
    } catch (const std::exception& e) {
      CHECK(std::string(e.what()) == "bottom 1");
      ++caught;
    }
  }
  printf("caught %d destroyed %d\n", caught, destroyed);
}
