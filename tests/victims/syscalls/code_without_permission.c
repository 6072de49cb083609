// Code made non-executable or unmapped faults at its next call, at the app's address, though it has run before.
// EXPECT: faults ok
#include "../victim.h"
#include <setjmp.h>
static sigjmp_buf back;
static volatile uint64_t pc, address;
static volatile int code;
static void handler(int signal, siginfo_t* info, void* context) {
  pc = (uint64_t)((ucontext_t*)context)->uc_mcontext.gregs[REG_RIP];
  address = (uint64_t)info->si_addr, code = info->si_code;
  siglongjmp(back, 1);
}
int main(void) {
  on_signal(SIGSEGV, handler);
  EACH_ROUND {
    uint8_t* page = code_pages(4096);
    put_return(page + 64, 5);
    CHECK(((uint32_t (*)(void))(page + 64))() == 5);
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
    if (sigsetjmp(back, 1) == 0) {
      ((uint32_t (*)(void))(page + 64))();
      CHECK(!"ran");
    }
    CHECK(pc == (uint64_t)page + 64 && address == pc && code == SEGV_ACCERR);
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
    CHECK(((uint32_t (*)(void))(page + 64))() == 5);
    munmap(page, 4096);
    if (sigsetjmp(back, 1) == 0) {
      ((uint32_t (*)(void))(page + 64))();
      CHECK(!"ran");
    }
    CHECK(pc == (uint64_t)page + 64 && address == pc && code == SEGV_MAPERR);
  }
  puts("faults ok");
}
