// A library loaded, called and unloaded again and again, two of them taking each other's address.
// EXPECT: dlopen ok
#include "../victim.h"
#include <dlfcn.h>
#include <libgen.h>
int main(void) {
  char self[4096], path[5000];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  CHECK(n > 0);
  self[n] = 0;
  char* folder = dirname(self);
  int calls = 0;
  EACH_ROUND {
    for (int i = 0; i < 20; ++i, ++calls) {
      snprintf(path, sizeof path, "%s/dlopen_loop_%s.so", folder, i % 2 ? "one" : "two");
      void* library = dlopen(path, RTLD_NOW);
      if (!library) puts(dlerror());
      CHECK(library);
      int (*function)(int) = (int (*)(int))dlsym(library, "library_function");
      CHECK(function(i) == i + (i % 2 ? 1 : 2));
      CHECK(dlclose(library) == 0);
    }
  }
  puts("dlopen ok");
}
