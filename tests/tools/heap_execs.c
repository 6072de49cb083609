// Allocates, tries to execute what is not there and what is no program, allocates more, lets children execute a
// program, and then executes one itself, or ends with the argument "stay". With "threads", while another thread
// allocates. With "syscall" or "syscallat" both do so by syscall().
#include <pthread.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

static void* volatile kept;

// execvp's frame, as large as PATH is long, would lie over what is left of the stack's use here.
__attribute__((noinline)) static void clear_stack(void) {
  char room[32768];
  memset(room, 0, sizeof room);
  __asm__ volatile("" : : "r"(room) : "memory");
}

__attribute__((noinline)) static void lose(unsigned size) {
  void* lost = malloc(size);
  __asm__ volatile("" : "+r"(lost) : : "memory");
  memset(lost, 1, size);
  lost = NULL;
  __asm__ volatile("" : "+r"(lost) : : "memory");
  clear_stack();
}

static void* allocate(void* nothing) {
  for (;;) free(malloc(100));
}

int main(int argc, char** argv) {
  const char* how = argc > 1 ? argv[1] : "";
  kept = malloc(2222);
  lose(111);
  if (strcmp(how, "threads") == 0) {
    pthread_t thread;
    pthread_create(&thread, NULL, allocate, NULL);
  }
  execl("/nonexistent/program", "program", NULL);
  execl("/etc/passwd", "passwd", NULL);
  lose(333);
  char* words[] = {"true", NULL};
  pid_t child;
  if (posix_spawnp(&child, "true", NULL, NULL, words, environ) == 0) waitpid(child, NULL, 0);
  child = fork();
  if (child == 0) {
    lose(55);
    if (strcmp(how, "syscall") == 0) syscall(SYS_execve, "/bin/true", words, environ);
    if (strcmp(how, "syscallat") == 0) syscall(SYS_execveat, -1, "/bin/true", words, environ, 0);
    execvp("true", words);
    _exit(1);
  }
  waitpid(child, NULL, 0);
  if (strcmp(how, "stay") == 0) return 0;
  char* shell[] = {"sh", "-c", "echo executed", NULL};
  if (strcmp(how, "syscall") == 0) syscall(SYS_execve, "/bin/sh", shell, environ);
  if (strcmp(how, "syscallat") == 0) syscall(SYS_execveat, -1, "/bin/sh", shell, environ, 0);
  execlp("sh", "sh", "-c", "echo executed", NULL);
  return 1;
}
