// rdfsbase, wrfsbase, rdgsbase and wrgsbase work on the app's own bases.
// NEEDS: fsgsbase
// CFLAGS: -O1 -mfsgsbase
// EXPECT: bases ok
#include "../victim.h"
#include <immintrin.h>
static uint64_t data[4] = {11, 22, 33, 44};
int main(void) {
  EACH_ROUND {
    uint64_t fs = _readfsbase_u64(), self;
    __asm__ volatile("movq %%fs:0, %0" : "=r"(self));
    CHECK(fs == self && fs == (uint64_t)pthread_self());
    CHECK(!in_arena(_readgsbase_u64()));
    _writegsbase_u64((uint64_t)data);
    uint64_t x;
    __asm__ volatile("movq %%gs:8, %0" : "=r"(x));
    CHECK(x == 22);
    CHECK(_readgsbase_u64() == (uint64_t)data);
    uint32_t half;
    __asm__ volatile("rdgsbase %0" : "=r"(half));
    CHECK(half == (uint32_t)(uint64_t)data);
    _writegsbase_u64(0);
    __asm__ volatile("wrfsbase %0; movq %%fs:16, %1; wrfsbase %2" : : "r"(data), "r"(x), "r"(fs) : "memory");
    CHECK(_readfsbase_u64() == fs && _readgsbase_u64() == 0);
  }
  puts("bases ok");
}
