// Every form of operator new, lost.
#include <new>

struct alignas(64) Wide {
  char bytes[128];
};

static void lose(void* volatile block) {
  block = nullptr;
  (void)block;
}

int main() {
  lose(new int);
  lose(new (std::nothrow) long);
  lose(new char[11]);
  lose(new (std::nothrow) char[12]);
  lose(new Wide);
  lose(new Wide[2]);
  lose(new (std::nothrow) Wide);
  lose(new (std::nothrow) Wide[3]);
  return 0;
}
