// Without --trace-children an executed program runs native, with the signal state that it would have had.
// RUN: none --trace-children=no
// EXPECT: native child: arena 0 lines
#include "../victim.h"
int main(int argc, char** argv) {
  if (argc > 1) {
    FILE* maps = fopen("/proc/self/maps", "r");
    char line[512];
    int found = 0;
    while (fgets(line, sizeof line, maps)) found += in_arena(strtoull(line, NULL, 16));
    printf("native child: arena %d lines\n", found);
    return 0;
  }
  execl("/proc/self/exe", argv[0], "again", NULL);
}
