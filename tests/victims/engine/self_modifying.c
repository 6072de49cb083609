// Code that patches itself: the instruction ahead in the same block, a loop's own body, and a function between calls.
// EXPECT: self-modifying ok
#include "../victim.h"
int main(void) {
  uint8_t* page = code_pages(4096);
  EACH_ROUND {
    // mov byte [rip+1], dil ; mov eax, 0 ; ret: the store changes the immediate of the instruction that follows.
    uint8_t ahead[] = {0x40, 0x88, 0x3d, 1, 0, 0, 0, 0xb8, 0, 0, 0, 0, 0xc3};
    memcpy(page, ahead, sizeof ahead);
    for (int i = 1; i < 100; ++i) CHECK(((int (*)(int))page)(i) == i);
    // add eax, 1 ; inc byte [rip-9] (that 1) ; dec edi ; jnz loop: adds 1, 2, 3, ...
    uint8_t loop[] = {0x31, 0xc0, 0x83, 0xc0, 0x01, 0xfe, 0x05, 0xf9, 0xff, 0xff, 0xff, 0xff, 0xcf, 0x75, 0xf3, 0xc3};
    memcpy(page + 64, loop, sizeof loop);
    CHECK(((int (*)(int))(page + 64))(100) == 5050);
    for (uint32_t i = 0; i < 300; ++i) {
      put_return(page + 256, i);
      CHECK(((uint32_t (*)(void))(page + 256))() == i);
    }
  }
  puts("self-modifying ok");
}
