// Memory, generated code and signal state of parent and child go separate ways after fork.
// EXPECT: separate
#include "../victim.h"
typedef uint32_t (*Function)(void);
int main(void) {
  uint8_t* code = code_pages(4096);
  EACH_ROUND {
    put_return(code, 1);
    CHECK(((Function)code)() == 1);
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    pid_t child = fork();
    if (child == 0) {
      CHECK(((Function)code)() == 1);
      put_return(code, 2);
      CHECK(((Function)code)() == 2);
      char c;
      read(pipes[0], &c, 1);
      _exit((int)((Function)code)() + 10);
    }
    put_return(code, 3);
    CHECK(((Function)code)() == 3);
    write(pipes[1], "x", 1);
    int status;
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 12);
    CHECK(((Function)code)() == 3);
    close(pipes[0]);
    close(pipes[1]);
  }
  puts("separate");
}
