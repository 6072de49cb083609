// Code that ends with the last byte of its mapping, and an instruction that straddles two pages.
// EXPECT: page end ok
#include "../victim.h"
int main(void) {
  uint8_t* pages = code_pages(3 * 4096);
  CHECK(munmap(pages + 8192, 4096) == 0);
  EACH_ROUND {
    for (uint32_t i = 0; i < 40; ++i) {
      put_return(pages + 8192 - 6, i);
      CHECK(((uint32_t (*)(void))(pages + 8192 - 6))() == i);
      put_return(pages + 4096 - 1 - (i & 3), i);
      CHECK(((uint32_t (*)(void))(pages + 4096 - 1 - (i & 3)))() == i);
    }
  }
  puts("page end ok");
}
