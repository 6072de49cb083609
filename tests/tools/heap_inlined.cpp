// Allocates in functions that the compiler inlines into each other.
#include <cstdlib>
#include <memory>
#include <vector>

namespace shapes {

struct Point {
  double x, y;
};

template <typename T>
class Pool {
 public:
  [[gnu::always_inline]] T* take() {
    return new T[3];  // line 16
  }
};

[[gnu::always_inline]] inline Point* middle(Pool<Point>& pool) {
  return pool.take();  // line 21
}

[[gnu::always_inline]] inline void* plain(size_t size) {
  return std::malloc(size);  // line 25
}

}  // namespace shapes

static void* volatile kept[3];

[[gnu::noinline]] static void outer() {
  shapes::Pool<shapes::Point> pool;
  kept[0] = shapes::middle(pool);  // line 34
  kept[1] = shapes::plain(777);    // line 35
}

int main() {
  outer();  // line 39
  kept[2] = kept[0] = kept[1] = nullptr;
  return 0;
}
