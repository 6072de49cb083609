// Loads and unloads a library with allocation functions so often that no table has room for all of them; then the same
// library with a C library of its own, which stays for some. Loses a block of each.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static void* (*function(void* library))(size_t) {
  if (library == NULL) {
    puts(dlerror());
    exit(2);
  }
  return (void* (*)(size_t))dlsym(library, "make");
}

static int mappings(void) {
  int lines = 0, c;
  FILE* maps = fopen("/proc/self/maps", "r");
  while ((c = getc(maps)) != EOF) lines += c == '\n';
  fclose(maps);
  return lines;
}

int main(int argc, char** argv) {
  int before = 0;
  for (int i = 0; i < 500; ++i) {
    void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    free(function(library)(100));
    if (i == 499) *(volatile char*)function(library)(1000) = 0;
    dlclose(library);
    if (i == 0) before = mappings();
  }
  if (mappings() > before + 4) printf("%d mappings, before %d\n", mappings(), before);
  for (int i = 0; i < 6; ++i) {
    void* library = dlmopen(LM_ID_NEWLM, argv[1], RTLD_NOW | RTLD_LOCAL);
    *(volatile char*)function(library)(2000) = 0;
    if (i % 2 == 0) dlclose(library);
  }
  puts("done");
  return 0;
}
