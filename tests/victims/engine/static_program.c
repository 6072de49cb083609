// A static, position-dependent program: no loader, no dynamic section.
// BUILD: static
// EXPECT: static 499500
#include "../victim.h"
int main(void) {
  volatile long sum = 0;
  for (int i = 0; i < 1000; ++i) sum += i;
  char* text;
  CHECK(asprintf(&text, "static %ld", sum) > 0);
  puts(text);
  free(text);
}
