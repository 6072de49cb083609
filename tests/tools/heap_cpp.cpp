#include <cstdio>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>
struct Node {
  int v;
  std::unique_ptr<Node> l, r;
};
static void insert(std::unique_ptr<Node>& n, int v) {
  if (!n) {
    n = std::make_unique<Node>();
    n->v = v;
  } else if (v < n->v)
    insert(n->l, v);
  else
    insert(n->r, v);
}
int main() {
  std::map<std::string, std::vector<int>> m;
  unsigned x = 1;
  for (int i = 0; i < 2000; i++) {
    x = x * 1103515245 + 12345;
    m["key number " + std::to_string((x >> 8) % 500)].push_back(i);
  }
  std::unique_ptr<Node> root;
  for (int i = 0; i < 500; i++) {
    x = x * 1103515245 + 12345;
    insert(root, (x >> 4) % 10000);
  }
  root.reset();
  for (int i = 0; i < 10; i++) {
    try {
      throw std::runtime_error("some text that is long " + std::to_string(i));
    } catch (std::exception& e) {
      m[e.what()].push_back(1);
    }
  }
  int* a = new int[1000];
  delete[] a;
  struct alignas(64) A {
    char c[64];
  };
  A* al = new A[10];
  delete[] al;
  try {
    volatile size_t n = ~0ull >> 2;
    char* p = new char[n];
    delete[] p;
  } catch (std::bad_alloc&) {
    puts("bad_alloc");
  }
  std::string s;
  for (int i = 0; i < 10000; i++) s += 'x';
  printf("%zu %zu\n", m.size(), s.size());
}
