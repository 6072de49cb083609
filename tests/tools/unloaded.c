// Loads each module named and calls its `measured`, in one process and then in a fork of it; "-" unloads the last one.
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void load_and_call(int argc, char** argv) {
  void* module = NULL;
  for (int i = 1; i < argc; ++i) {
    if (strcmp(argv[i], "-") == 0) {
      dlclose(module);
      continue;
    }
    module = dlopen(argv[i], RTLD_NOW);
    void (*measured)(void) = module != NULL ? (void (*)(void))dlsym(module, "measured") : NULL;
    if (measured == NULL) _exit(2);
    measured();
    printf("%p\n", (void*)measured);
  }
  fflush(stdout);
}

int main(int argc, char** argv) {
  load_and_call(argc, argv);
  int status = 0;
  if (fork() == 0) {
    load_and_call(argc, argv);
    _exit(0);
  }
  return wait(&status) < 0 || status != 0;
}
