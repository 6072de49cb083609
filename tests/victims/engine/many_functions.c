// 20,000 small functions, each called a few times: the fragment table grows, and chains.
// EXPECT: total 599970000
#include "../victim.h"
int main(void) {
  enum { kCount = 20000 };
  uint8_t* code = code_pages(kCount * 16L);
  for (uint32_t i = 0; i < kCount; ++i) put_return(code + i * 16L, i);
  uint64_t total = 0;
  for (int turn = 0; turn < 3; ++turn)
    for (long i = 0; i < kCount; ++i) total += ((uint32_t (*)(void))(code + i * 16))();
  printf("total %lu\n", total);
}
