# gcc -O2 compiles and links a program, which then runs.
cat > a.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int compare(const void* a, const void* b) { return strcmp(*(char**)a, *(char**)b); }
int main(int argc, char** argv) {
  char* words[500];
  for (int i = 0; i < 500; ++i) asprintf(&words[i], "w%d", i * 7919 % 1009);
  qsort(words, 500, sizeof *words, compare);
  double x = 0;
  for (int i = 1; i < 1000; ++i) x += 1.0 / i / i;
  printf("%s %s %.9f\n", words[0], words[499], x);
}
C
gcc -D_GNU_SOURCE -O2 -Wall -c a.c -o a.o
gcc a.o -o a
./a
sha256sum a.o
gcc -O2 -flto -D_GNU_SOURCE a.c -o b && ./b
printf 'int main( { }\n' > bad.c
gcc -c bad.c || echo "status $?"
