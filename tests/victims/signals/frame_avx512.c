// A handler's frame holds all AVX-512 registers: what the handler writes there is in them afterwards, what it does with
// its own is not.
// EXPECT: vectors kept
// NEEDS: avx512f avx512bw
// CFLAGS: -O1 -mavx512f -mavx512bw
#include <cpuid.h>
#include <immintrin.h>

#include "../victim.h"

enum { kVectors = 32, kMasks = 8, kChanged = 21, kRounds = 300 };
// Components of the state that xsave writes (SDM volume 1, 13.5).
enum { kUpperHalves = 2, kOpmasks = 5, kUpperParts = 6, kUpperVectors = 7 };

struct vectors {
  uint64_t zmm[kVectors][8];
  uint64_t k[kMasks];
};

static struct vectors given, found;
static volatile int calls;

static const char* component(const char* state, int number) {
  uint32_t size, offset, c, d;
  __cpuid_count(13, number, size, offset, c, d);
  CHECK((*(const uint64_t*)(state + 512) >> number & 1) == 1);
  return state + offset;
}

static void check_frame(const char* state) {
  const char* upper = component(state, kUpperHalves);
  const char* parts = component(state, kUpperParts);
  const char* more = component(state, kUpperVectors);
  CHECK(memcmp(component(state, kOpmasks), given.k, sizeof given.k) == 0);
  for (int i = 0; i < 16; ++i) {
    CHECK(memcmp(state + 160 + 16 * i, &given.zmm[i][0], 16) == 0);
    CHECK(memcmp(upper + 16 * i, &given.zmm[i][2], 16) == 0);
    CHECK(memcmp(parts + 32 * i, &given.zmm[i][4], 32) == 0);
    CHECK(memcmp(more + 64 * i, &given.zmm[16 + i][0], 64) == 0);
  }
}

static void handler(int signal, siginfo_t* info, void* context) {
  char* state = (char*)((ucontext_t*)context)->uc_mcontext.fpregs;
  check_frame(state);
  uint64_t* changed = (uint64_t*)(component(state, kUpperVectors) + 64 * (kChanged - 16));
  for (int i = 0; i < 8; ++i) changed[i] += 1;
  asm volatile("vpternlogd $255, %%zmm5, %%zmm5, %%zmm5" ::: "xmm5");
  asm volatile("vpxord %%zmm30, %%zmm30, %%zmm30\n\tkxnorq %%k3, %%k3, %%k3" ::: "xmm30", "k3");
  ++calls;
}

#define LOAD(i) "vmovdqu64 64*" #i "(%[from]), %%zmm" #i "\n\t"
#define STORE(i) "vmovdqu64 %%zmm" #i ", 64*" #i "(%[to])\n\t"
#define LOAD_MASK(i) "kmovq 2048+8*" #i "(%[from]), %%k" #i "\n\t"
#define STORE_MASK(i) "kmovq %%k" #i ", 2048+8*" #i "(%[to])\n\t"
#define EIGHT(x) x(0) x(1) x(2) x(3) x(4) x(5) x(6) x(7)
#define ALL(x)                                                                                                    \
  EIGHT(x)                                                                                                        \
  x(8) x(9) x(10) x(11) x(12) x(13) x(14) x(15) x(16) x(17) x(18) x(19) x(20) x(21) x(22) x(23) x(24) x(25) x(26) \
      x(27) x(28) x(29) x(30) x(31)

// The signal comes while all registers have what `given` says.
__attribute__((noinline)) static void send(int signal) {
  const long process_id = getpid(), thread_id = syscall(SYS_gettid);
  register long number asm("rax") = SYS_tgkill;
  register long group asm("rdi") = process_id;
  register long thread asm("rsi") = thread_id;
  register long which asm("rdx") = signal;
  register const struct vectors* from asm("r8") = &given;
  register struct vectors* to asm("r9") = &found;
  asm volatile(ALL(LOAD) EIGHT(LOAD_MASK) "syscall\n\t" ALL(STORE) EIGHT(STORE_MASK) "vzeroupper"
               : "+r"(number)
               : "r"(group), "r"(thread), "r"(which), [from] "r"(from), [to] "r"(to)
               : "rcx", "r11", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                 "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
  CHECK(number == 0);
}

int main(void) {
  struct sigaction action = {.sa_flags = SA_SIGINFO};
  action.sa_sigaction = handler;
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
  uint64_t random = 1;
  for (int round = 0; round < kRounds; ++round) {
    for (size_t i = 0; i < sizeof given / 8; ++i) ((uint64_t*)&given)[i] = random = random * 6364136223846793005 + 1;
    send(SIGUSR1);
    CHECK(calls == round + 1);
    for (int i = 0; i < 8; ++i) CHECK(found.zmm[kChanged][i] == given.zmm[kChanged][i] + 1);
    memcpy(found.zmm[kChanged], given.zmm[kChanged], 64);
    CHECK(memcmp(&found, &given, sizeof given) == 0);
  }
  puts("vectors kept");
}
