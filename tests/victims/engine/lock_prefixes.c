// Locked read-modify-write instructions of all sizes.
// CFLAGS: -O1 -mcx16
// EXPECT: locked ok
#include "../victim.h"
int main(void) {
  EACH_ROUND {
    uint8_t m8 = 1;
    uint16_t m16 = 1;
    uint32_t m32 = 1;
    uint64_t m64 = 1;
    __asm__ volatile("lock addb $2, %0; lock notb %0" : "+m"(m8)::"cc");
    CHECK(m8 == (uint8_t)~3);
    __asm__ volatile("lock subw $2, %0; lock negw %0" : "+m"(m16)::"cc");
    CHECK(m16 == 1);
    __asm__ volatile("lock orl $0x70000000, %0; lock btcl $31, %0; lock btrl $0, %0" : "+m"(m32)::"cc");
    CHECK(m32 == 0xf0000000);
    __asm__ volatile("lock xorq $-1, %0; lock decq %0" : "+m"(m64)::"cc");
    CHECK(m64 == (uint64_t)-3);
    uint64_t x = 5;
    __asm__ volatile("xchgq %0, %1; lock xaddq %0, %1" : "+r"(x), "+m"(m64)::"cc");
    CHECK(x == 5 && m64 == 2);
    __int128 pair = 7, want = 7, put = ((__int128)9 << 64) | 8;
    uint8_t done;
    __asm__ volatile("lock cmpxchg16b %1; sete %0" : "=q"(done), "+m"(pair), "+A"(want) : "b"((long)put), "c"((long)(put >> 64)) : "cc");
    CHECK(done && pair == put);
    uint64_t old = 1, eight = 1;
    __asm__ volatile("lock cmpxchg8b %1; setne %0" : "=q"(done), "+m"(eight), "+a"(old) : "d"(5L), "b"(3L), "c"(4L) : "cc");
    CHECK(done && eight == 1);
  }
  puts("locked ok");
}
