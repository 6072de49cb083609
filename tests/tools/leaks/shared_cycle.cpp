// Two objects that own each other.
#include <memory>

struct Node {
  std::shared_ptr<Node> other;
  char text[30] = {};
};

int main() {
  auto a = std::make_shared<Node>();
  auto b = std::make_shared<Node>();
  a->other = b;
  b->other = a;
  return 0;
}
