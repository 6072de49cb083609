// At a fault every register and the pc in the signal frame are the app's own, at exactly the faulting instruction.
// EXPECT: exact 16 registers
// SKIP: cachegrind its code may change flags that nothing reads any more, before an instruction that then faults
#include "../victim.h"
extern char fault_here[], fault_end[];
static volatile int faults;
static void handler(int signal, siginfo_t* info, void* context) {
  greg_t* r = ((ucontext_t*)context)->uc_mcontext.gregs;
  CHECK(r[REG_RIP] == (greg_t)fault_here);
  static const int order[] = {REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP, REG_R8,
                              REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  for (int i = 0; i < 15; ++i) CHECK(r[order[i]] == 0x1000 + i);
  CHECK(!in_arena((uint64_t)r[REG_RSP]) && r[REG_RSP] > (greg_t)&signal);
  CHECK((r[REG_EFL] & 1) == 1);  // stc before the fault
  CHECK((uint64_t)info->si_addr == 0x1000 + 4 + 8);
  r[REG_RIP] = (greg_t)fault_end;
  r[REG_RAX] = 0x77;
  ++faults;
}
int main(void) {
  on_signal(SIGSEGV, handler);
  EACH_ROUND {
    long result;
    __asm__ volatile(
        "pushq %%rbx; pushq %%rbp\n"
        "movl $0x1000, %%eax; movl $0x1001, %%ebx; movl $0x1002, %%ecx; movl $0x1003, %%edx; movl $0x1004, %%esi\n"
        "movl $0x1005, %%edi; movl $0x1006, %%ebp; movl $0x1007, %%r8d; movl $0x1008, %%r9d; movl $0x1009, %%r10d\n"
        "movl $0x100a, %%r11d; movl $0x100b, %%r12d; movl $0x100c, %%r13d; movl $0x100d, %%r14d; movl $0x100e, %%r15d\n"
        "stc\n"
        ".globl fault_here, fault_end\n"
        "fault_here: movq %%rax, 8(%%rsi)\n"
        "fault_end: popq %%rbp; popq %%rbx\n"
        : "=a"(result)::"rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
    CHECK(result == 0x77);
  }
  CHECK(faults >= 2);
  puts("exact 16 registers");
}
