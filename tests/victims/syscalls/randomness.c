// getrandom, /dev/urandom, AT_RANDOM and getentropy.
// EXPECT: random ok
#include "../victim.h"
#include <sys/random.h>
int main(void) {
  uint8_t a[64] = {0}, b[64] = {0};
  EACH_ROUND {
    CHECK(getrandom(a, 64, 0) == 64 && getentropy(b, 64) == 0 && memcmp(a, b, 64) != 0);
    int fd = open("/dev/urandom", O_RDONLY);
    CHECK(read(fd, a, 64) == 64);
    close(fd);
  }
  puts("random ok");
}
