// Valgrind's client requests: whatever answers them, every other register, the flags and the vectors stay as they are.
// EXPECT: nothing but the answer has changed
#include <valgrind/valgrind.h>

#include "../victim.h"
static long sum(long tid, long a, long b, long c) {
  volatile double clobber[4] = {1, 2, 3, 4};
  for (int i = 0; i < 4; ++i) clobber[i] *= (double)a;
  return tid >= 0 ? a + 10 * b + 100 * c + (long)clobber[0] - a : -1;
}
static uint64_t ask(uint64_t code, uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
  uint64_t request[6] = {code, a, b, c, d, 0}, answer = 77;
  uint64_t before[8] = {1, 2, 3, 4, 5, 6, 7, 8}, after[8] = {0}, flags, rdi, vectors[4] = {11, 12, 13, 14}, vector_out[4];
  asm volatile(
      "movdqu (%[v]), %%xmm3\n movdqu 16(%[v]), %%xmm15\n"
      "mov (%[in]), %%r10\n mov 8(%[in]), %%r11\n mov 16(%[in]), %%r12\n mov 24(%[in]), %%r13\n"
      "mov $0x123456789abcdef, %%rdi\n stc\n"
      "rol $3, %%rdi\n rol $13, %%rdi\n rol $61, %%rdi\n rol $51, %%rdi\n xchg %%rbx, %%rbx\n"
      "mov %%r10, (%[out])\n mov %%r11, 8(%[out])\n mov %%r12, 16(%[out])\n mov %%r13, 24(%[out])\n"
      "pushf\n pop %%r10\n mov %%r10, %[flags]\n mov %%rdi, %[rdi]\n"
      "movdqu %%xmm3, (%[vo])\n movdqu %%xmm15, 16(%[vo])\n"
      : "+d"(answer), [flags] "=m"(flags), [rdi] "=m"(rdi)
      : "a"(request), [in] "r"(before), [out] "r"(after), [v] "r"(vectors), [vo] "r"(vector_out)
      : "rdi", "r10", "r11", "r12", "r13", "memory", "cc", "xmm3", "xmm15");
  CHECK(memcmp(before, after, 32) == 0);
  CHECK(memcmp(vectors, vector_out, 32) == 0);
  CHECK(rdi == 0x123456789abcdef);
  return answer;
}
int main(void) {
  EACH_ROUND {
    CHECK(ask(0x7fff0000, 1, 2, 3, 4) == 77);
    uint64_t running = ask(VG_USERREQ__RUNNING_ON_VALGRIND, 0, 0, 0, 0);
    CHECK(running == 1 || running == 77);
    uint64_t called = ask(VG_USERREQ__CLIENT_CALL3, (uint64_t)sum, 1, 2, 3);
    CHECK(called == 321 || called == 77);
    uint64_t errors = ask(VG_USERREQ__COUNT_ERRORS, 0, 0, 0, 0);
    CHECK(errors == 0 || errors == 77);
    ask(VG_USERREQ__DISCARD_TRANSLATIONS, (uint64_t)main, 64, 0, 0);
    ask(VG_USERREQ__DISCARD_TRANSLATIONS, ~0ull - 8, 64, 0, 0);
    ask(VG_USERREQ__PRINTF_VALIST_BY_REF, 8, 8, 0, 0);
    uint64_t bad = 77;
    asm volatile(
        "rol $3, %%rdi\n rol $13, %%rdi\n rol $61, %%rdi\n rol $51, %%rdi\n xchg %%rbx, %%rbx\n"
        : "+d"(bad)
        : "a"(8L)
        : "cc", "memory");
    CHECK(bad == 77);  // no request there
  }
  puts("nothing but the answer has changed");
}
