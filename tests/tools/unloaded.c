// Loads each module named and calls its `measured`, in one process and then in a fork of it; "-" unloads the last one.
// With "thread" first, a thread does it, once, after the first one has ended.
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
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

static int count;
static char** names;

static void* in_thread(void* first) {
  pthread_join(*(pthread_t*)first, NULL);
  load_and_call(count - 1, names + 1);
  exit(0);
}

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "thread") == 0) {
    static pthread_t first, other;
    first = pthread_self();
    count = argc;
    names = argv;
    pthread_create(&other, NULL, in_thread, &first);
    pthread_exit(NULL);
  }
  load_and_call(argc, argv);
  int status = 0;
  if (fork() == 0) {
    load_and_call(argc, argv);
    _exit(0);
  }
  return wait(&status) < 0 || status != 0;
}
