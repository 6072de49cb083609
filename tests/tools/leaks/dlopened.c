// A module's global has the only pointer, and the module stays.
#include <dlfcn.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv) {
  char path[4096];
  (void)argc;
  snprintf(path, sizeof path, "%s/leaky_module.so", dirname(argv[0]));
  void* module = dlopen(path, RTLD_NOW);
  if (module == NULL) return 1;
  void (*keep)(int) = (void (*)(int))dlsym(module, "keep");
  keep(123);
  return 0;
}
