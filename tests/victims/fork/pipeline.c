// A shell pipeline of five programs, all followed.
// RUN: none --trace-children=yes
// EXPECT: 17 500500
#include "../victim.h"
int main(void) {
  FILE* p = popen("seq 1 1000 | awk '{ s += $1 } END { print s }' | cat | sed 's/$/ x/' | cut -d' ' -f1", "r");
  char line[64];
  CHECK(fgets(line, sizeof line, p));
  printf("17 %s", line);
  CHECK(pclose(p) == 0);
}
