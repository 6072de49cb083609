// String instructions with every repeat prefix, both directions, zero and large counts, overlap and 32-bit addresses.
// EXPECT: strings ok
#include "../victim.h"
static uint8_t a[70000], b[70000];
int main(void) {
  EACH_ROUND {
    for (int i = 0; i < 70000; ++i) a[i] = (uint8_t)(i * 7), b[i] = 0;
    void *s = a, *d = b;
    long n = 70000, r;
    __asm__ volatile("rep movsb" : "+S"(s), "+D"(d), "+c"(n)::"memory");
    CHECK(n == 0 && s == a + 70000 && d == b + 70000 && memcmp(a, b, 70000) == 0);
    s = a + 69999, d = b + 69998, n = 60000;
    __asm__ volatile("std; rep movsb; cld" : "+S"(s), "+D"(d), "+c"(n)::"memory", "cc");
    CHECK(n == 0 && memcmp(b + 9999, a + 10000, 60000) == 0);
    s = b, d = b + 1, n = 100;
    b[0] = 9;
    __asm__ volatile("rep movsb" : "+S"(s), "+D"(d), "+c"(n)::"memory");
    for (int i = 0; i <= 100; ++i) CHECK(b[i] == 9);
    d = b, n = 0;
    __asm__ volatile("rep stosq" : "+D"(d), "+c"(n) : "a"(1L) : "memory");
    CHECK(d == b && b[0] == 9);
    d = b, n = 1000;
    __asm__ volatile("rep stosq" : "+D"(d), "+c"(n) : "a"(0x0102030405060708L) : "memory");
    CHECK(b[7999] == 1 && b[7992] == 8);
    memset(b, 'x', 1000);
    b[777] = 'y';
    d = b, n = 1000;
    __asm__ volatile("repne scasb" : "+D"(d), "+c"(n) : "a"('y') : "memory", "cc");
    CHECK(d == b + 778 && n == 1000 - 778);
    d = b, n = 1000;
    __asm__ volatile("repe scasb; setne %%al; movzbl %%al, %%eax" : "+D"(d), "+c"(n), "=a"(r) : "2"('x') : "memory", "cc");
    CHECK(d == b + 778 && (int)r == 1);
    memcpy(a, b, 1000);
    a[500] = 'z';
    s = a, d = b, n = 1000;
    __asm__ volatile("repe cmpsb; seta %%al; movzbl %%al, %%eax" : "+S"(s), "+D"(d), "+c"(n), "=a"(r)::"memory", "cc");
    CHECK(s == a + 501 && (int)r == 1);
    s = a;
    __asm__ volatile("lodsb; movzbl %%al, %%eax" : "+S"(s), "=a"(r)::"memory");
    CHECK((int)r == 'x' && s == a + 1);
    // 67 prefix: ecx counts, edi and esi address.
    uint8_t* low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    CHECK(low != MAP_FAILED);
    d = low, n = 0x100000010;
    __asm__ volatile("addr32 rep stosb" : "+D"(d), "+c"(n) : "a"('q') : "memory");
    CHECK((uint32_t)n == 0 && low[15] == 'q' && low[16] == 0);
    munmap(low, 4096);
  }
  puts("strings ok");
}
