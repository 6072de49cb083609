// A dense switch, compiled to a jump table.
// CFLAGS: -O2
// EXPECT: state 504 steps 300000
#include "../victim.h"
int main(void) {
  volatile unsigned state = 1;
  int steps = 0;
  for (; steps < 300000; ++steps) {
    unsigned s = state;
    switch (s % 13) {
      case 0: s = s / 13 + 5; break;
      case 1: s = s * 3 + 1; break;
      case 2: s ^= 0x55; break;
      case 3: s += 17; break;
      case 4: s = (s << 1) | 1; break;
      case 5: s -= 4; break;
      case 6: s = s * 7 + 3; break;
      case 7: s = ~s & 0xfff; break;
      case 8: s >>= 1; break;
      case 9: s += 1000; break;
      case 10: s |= 0x80; break;
      case 11: s = s * s; break;
      default: s += 2; break;
    }
    state = s & 0xfff;
  }
  printf("state %u steps %d\n", state, steps);
}
