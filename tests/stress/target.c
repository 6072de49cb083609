// Purpose: a program to attach to: `target busy|blocked [leaderless]`, whose first thread has ended with the last word.
// It prints "ready", works or blocks in three threads until a line comes on standard input, then computes once more and
// prints its result.
#include "../victims/victim.h"

static volatile int stop;
static int pipes[2];

static long fib(long n) {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static void* busy(void* unused) {
  while (!stop) {
    CHECK(fib(15) == 610);
    char* p = malloc(1000);
    memset(p, 1, 1000);
    free(p);
    getppid();
  }
  return NULL;
}

static void* blocked(void* argument) {
  char c;
  struct timespec long_time = {0, 500000000};
  if ((long)argument == 0) {
    CHECK(read(pipes[0], &c, 1) == 1);
  } else if ((long)argument == 1) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 1000;
    pthread_mutex_lock(&mutex);
    while (!stop) {
      clock_gettime(CLOCK_REALTIME, &until);
      until.tv_nsec += 200000000;
      if (until.tv_nsec >= 1000000000) until.tv_nsec -= 1000000000, ++until.tv_sec;
      pthread_cond_timedwait(&condition, &mutex, &until);
    }
    pthread_mutex_unlock(&mutex);
  } else {
    while (!stop) CHECK(nanosleep(&long_time, NULL) == 0);
  }
  return NULL;
}

static void* run_all(void* kind) {
  CHECK(pipe(pipes) == 0);
  pthread_t threads[3];
  void* (*run)(void*) = strcmp(kind, "busy") == 0 ? busy : blocked;
  for (long i = 0; i < 3; ++i) pthread_create(&threads[i], NULL, run, (void*)i);
  puts("ready");
  fflush(stdout);
  char line[16];
  CHECK(fgets(line, sizeof line, stdin));
  stop = 1;
  write(pipes[1], "x", 1);
  for (int i = 0; i < 3; ++i) pthread_join(threads[i], NULL);
  pid_t child = fork();
  if (child == 0) _exit(3);
  int status;
  CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3);
  printf("unharmed %ld\n", fib(20));
  exit(0);
}

int main(int argc, char** argv) {
  if (argc == 2) run_all(argv[1]);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, run_all, argv[1]) == 0);
  pthread_exit(NULL);
}
