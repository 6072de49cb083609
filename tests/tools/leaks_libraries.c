// A library of a library has the only pointer to a block, at an end at which glibc closes it: backtrace() has made it
// open libgcc_s, which its clean-up closes, and then it finds that nobody needs the inner library.
#include <dlfcn.h>
#include <execinfo.h>
#include <libgen.h>
#include <stdio.h>

int main(int argc, char** argv) {
  char path[4096];
  (void)argc;
  snprintf(path, sizeof path, "%s/libleaks_outer.so", dirname(argv[0]));
  void* module = dlopen(path, RTLD_NOW);
  if (module == NULL) return 1;
  ((void (*)(int))dlsym(module, "keep"))(123);
  void* frames[4];
  return backtrace(frames, 4) > 0 ? 0 : 2;
}
