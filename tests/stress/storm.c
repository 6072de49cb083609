// Purpose: the program of the toggle storm: four threads compute, allocate, make system calls and generated code, two
// timers fire, children are forked, threads are born. Runs argv[1] seconds; prints one line that says all was right.
#include "../victims/victim.h"

static volatile int stop;
static volatile long ticks;
static long turns[4], children, threads;

static void handler(int signal, siginfo_t* info, void* context) {
  CHECK(!in_arena((uint64_t)((ucontext_t*)context)->uc_mcontext.gregs[REG_RIP]));
  __atomic_add_fetch(&ticks, 1, __ATOMIC_RELAXED);
}

static void compute(void) {
  uint64_t a = 1, b = 2;
  double x = 0;
  for (int i = 0; i < 3000; ++i) a = a * 6364136223846793005 + b, b ^= a >> 13, x += 1.0 / (i + 1);
  CHECK(x > 8.58374 && x < 8.58376);
  static uint64_t expected;
  uint64_t none = 0;
  __atomic_compare_exchange_n(&expected, &none, a ^ b, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  CHECK(expected == (a ^ b));
}

static void allocate(void) {
  char* blocks[64];
  for (int i = 0; i < 64; ++i) {
    blocks[i] = malloc((size_t)(i * 37 % 500 + 8));
    snprintf(blocks[i], 8, "%d", i);
  }
  for (int i = 0; i < 64; ++i) {
    CHECK(atoi(blocks[i]) == i);
    free(blocks[i]);
  }
}

static void call_system(void) {
  int pipes[2];
  CHECK(pipe(pipes) == 0);
  for (long i = 0; i < 20; ++i) {
    long j = -1;
    CHECK(write(pipes[1], &i, 8) == 8 && read(pipes[0], &j, 8) == 8 && i == j);
  }
  struct timespec brief = {0, 200000};
  int slept = clock_nanosleep(CLOCK_MONOTONIC, 0, &brief, NULL);
  CHECK(slept == 0 || slept == EINTR);
  close(pipes[0]);
  close(pipes[1]);
}

static void generate(void) {
  static __thread uint8_t* code;
  static __thread uint32_t n;
  if (!code) code = code_pages(4096);
  for (int i = 0; i < 20; ++i) {
    put_return(code + i * 16, ++n);
    CHECK(((uint32_t(*)(void))(code + i * 16))() == n);
  }
}

static void* brief_thread(void* unused) {
  compute();
  return NULL;
}

static void* work(void* argument) {
  long me = (long)argument;
  while (!stop) {
    compute();
    allocate();
    call_system();
    generate();
    if (me == 0 && turns[0] % 16 == 0) {
      pthread_t thread;
      CHECK(pthread_create(&thread, NULL, brief_thread, NULL) == 0);
      pthread_join(thread, NULL);
      ++threads;
    }
    if (me == 1 && turns[1] % 32 == 0) {
      pid_t child = turns[1] % 64 ? fork() : vfork();
      CHECK(child >= 0);
      if (child == 0) _exit(7);
      int status;
      while (waitpid(child, &status, 0) == -1) CHECK(errno == EINTR);
      CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
      ++children;
    }
    ++turns[me];
  }
  return NULL;
}

int main(int argc, char** argv) {
  double seconds = argc > 1 ? atof(argv[1]) : 1;
  on_signal_flags(SIGALRM, handler, SA_RESTART);
  on_signal_flags(SIGPROF, handler, SA_RESTART);
  struct itimerval wall = {{0, 2000}, {0, 2000}}, cpu = {{0, 5000}, {0, 5000}};
  setitimer(ITIMER_REAL, &wall, NULL);
  setitimer(ITIMER_PROF, &cpu, NULL);
  pthread_t workers[4];
  elapsed_ms();
  for (long i = 0; i < 4; ++i) pthread_create(&workers[i], NULL, work, (void*)i);
  while (elapsed_ms() < seconds * 1e3) usleep(10000);
  stop = 1;
  for (int i = 0; i < 4; ++i) pthread_join(workers[i], NULL);
  for (int i = 0; i < 4; ++i) CHECK(turns[i] > 0);
  CHECK(ticks > 10 && children > 0 && threads > 0);
  fprintf(stderr, "turns %ld %ld %ld %ld, signals %ld, children %ld, threads %ld\n", turns[0], turns[1], turns[2],
          turns[3], ticks, children, threads);
  puts("storm weathered");
}
