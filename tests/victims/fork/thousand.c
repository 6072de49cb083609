// 1,000 forks, up to ten alive at once.
// EXPECT: sum of statuses 31020
// TIMEOUT: 90
#include "../victim.h"
int main(void) {
  int sum = 0;
  for (int i = 0; i < 100; ++i) {
    for (int k = 0; k < 10; ++k) {
      pid_t child = fork();
      CHECK(child >= 0);
      if (child == 0) _exit((i * 10 + k) % 64);
    }
    for (int k = 0; k < 10; ++k) {
      int status;
      CHECK(wait(&status) > 0 && WIFEXITED(status));
      sum += WEXITSTATUS(status);
    }
  }
  printf("sum of statuses %d\n", sum);
}
