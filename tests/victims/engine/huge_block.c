// One function of 400 KB without a branch, longer than any block may be.
// EXPECT: counted 133333
#include "../victim.h"
int main(void) {
  uint8_t* code = code_pages(500000);
  uint8_t* p = code;
  *p++ = 0x31, *p++ = 0xc0;
  for (int i = 0; i < 133333; ++i) *p++ = 0x83, *p++ = 0xc0, *p++ = 1;
  *p++ = 0xc3;
  int counted = 0;
  for (int i = 0; i < 5; ++i) counted = ((int (*)(void))code)();
  printf("counted %d\n", counted);
}
