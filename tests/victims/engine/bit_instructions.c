// BMI, ADX, popcnt, movbe, crc32, pdep: the encodings with VEX general registers.
// NEEDS: bmi1 bmi2 adx popcnt movbe sse4_2
// CFLAGS: -O1 -mbmi -mbmi2 -madx -mpopcnt -mlzcnt -mmovbe -msse4.2
// EXPECT: bits c11521e0e02115de
#include "../victim.h"
#include <immintrin.h>
int main(void) {
  uint64_t hash = 0;
  EACH_ROUND {
    hash = 1;
    for (uint64_t i = 1; i < 2000; ++i) {
      uint64_t x = i * 0x9e3779b97f4a7c15, rotated, swapped;
      unsigned long long high, sum;
      hash ^= _pdep_u64(x, 0x00ff00ff0f0f3333) + _pext_u64(x, 0xf0f0f0f012345678);
      hash = hash * 31 + _mulx_u64(x, hash, &high);
      hash ^= high + _bzhi_u64(x, i & 63) + _andn_u64(x, hash) + _blsr_u64(x) + _blsi_u64(x) + _blsmsk_u64(x);
      unsigned char carry = _addcarryx_u64(1, hash, x, &sum);
      hash = sum + carry + __builtin_popcountll(x) + __builtin_clzll(x) + __builtin_ctzll(x);
      hash += _mm_crc32_u64(i, x) + __builtin_bswap64(x) + _bextr_u64(x, 8, 16);
      __asm__("rorxq $13, %2, %0; sarxq %2, %0, %0; movbeq %3, %1" : "=&r"(rotated), "=r"(swapped) : "r"(x), "m"(hash));
      hash ^= rotated + swapped;
    }
  }
  printf("bits %016lx\n", hash);
}
