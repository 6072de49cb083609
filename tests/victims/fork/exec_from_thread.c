// exec by a thread that is not the leader: the others end, the tid becomes the pid.
// RUN: none --trace-children=yes
// EXPECT: second image, same pid
#include "../victim.h"
static char** arguments;
static void* other(void* unused) {
  for (volatile long i = 0;; ++i) {}
}
static void* executes(void* unused) {
  usleep(20000);
  char pid[16];
  snprintf(pid, sizeof pid, "%d", getpid());
  execl("/proc/self/exe", arguments[0], pid, NULL);
  return NULL;
}
int main(int argc, char** argv) {
  if (argc > 1) {
    CHECK(syscall(SYS_gettid) == getpid());
    printf("second image, %s pid\n", atoi(argv[1]) == getpid() ? "same" : "other");
    return 0;
  }
  arguments = argv;
  pthread_t thread;
  for (int i = 0; i < 3; ++i) pthread_create(&thread, NULL, other, NULL);
  pthread_create(&thread, NULL, executes, NULL);
  for (;;) pause();
}
