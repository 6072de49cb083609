# Purpose: the doors between app state and the agent's C++: into the dispatcher, back into the code cache, through a
# system call, and the traps at which the supervisor takes over.
# Assumes: GS base is the thread's context. Promises: vector and x87 state are never touched.
#
#   enter ───────────┐
#   exit stub ───────┼─> save registers ─> vsup_dispatch ─> action ─┬─> restore ─> code cache
#   indirect miss ───┘                        ^                    ├─> restore ─> syscall ─> next fragment
#                                             └──── after fork <───┤
#                                                                  ├─> restore ─> rt_sigreturn ─> enter
#                                                                  └─> service trap

#include "protocol/context_offsets.h"
#include "agent/engine/actions.h"

#define GPR(n) %gs:(VSUP_CTX_GPR + 8 * (n))
#define SPILL(n) %gs:(VSUP_CTX_SPILL + 8 * (n))

.macro restore_flags
    push    %gs:VSUP_CTX_RFLAGS
    popfq
.endm

# Every register but rsp; the flags are left alone.
.macro restore_gprs
    mov     GPR(0), %rax
    mov     GPR(1), %rcx
    mov     GPR(2), %rdx
    mov     GPR(3), %rbx
    mov     GPR(5), %rbp
    mov     GPR(6), %rsi
    mov     GPR(7), %rdi
    mov     GPR(8), %r8
    mov     GPR(9), %r9
    mov     GPR(10), %r10
    mov     GPR(11), %r11
    mov     GPR(12), %r12
    mov     GPR(13), %r13
    mov     GPR(14), %r14
    mov     GPR(15), %r15
    mov     GPR(4), %rsp
.endm

.section .text.entry, "ax"
.globl vsup_enter, vsup_exit, vsup_indirect_miss, vsup_service_query
.globl vsup_syscall_insn, vsup_syscall_return, vsup_restore_start, vsup_restore_end
.globl vsup_syscall_restore_start, vsup_syscall_restore_end, vsup_service_trap, vsup_service_done, vsup_remote_return
.globl vsup_safe_copy, vsup_safe_access_start, vsup_safe_access_end, vsup_safe_access_fail

# An indirect branch whose target is in no table: rcx is the target, the app's rcx and rdx are in their spill slots.
vsup_indirect_miss:
    mov     %rcx, %gs:VSUP_CTX_APP_PC
    mov     SPILL(2), %rdx
    mov     SPILL(1), %rcx
    movq    $VSUP_EXIT_INDIRECT, %gs:VSUP_CTX_EXIT_ID
    jmp     vsup_exit

# The supervisor sends a thread here with a signal in the context.
vsup_deliver:
    movq    $VSUP_EXIT_DELIVER, %gs:VSUP_CTX_EXIT_ID
    jmp     vsup_exit

# The supervisor, or an rt_sigreturn, sends a thread here with app_pc set.
vsup_enter:
    movq    $VSUP_EXIT_ENTER, %gs:VSUP_CTX_EXIT_ID

# An exit stub has set exit_id. All registers are the app's.
vsup_exit:
    mov     %rax, GPR(0)
    mov     %rcx, GPR(1)
    mov     %rdx, GPR(2)
    mov     %rbx, GPR(3)
    mov     %rsp, GPR(4)
    mov     %rbp, GPR(5)
    mov     %rsi, GPR(6)
    mov     %rdi, GPR(7)
    mov     %r8, GPR(8)
    mov     %r9, GPR(9)
    mov     %r10, GPR(10)
    mov     %r11, GPR(11)
    mov     %r12, GPR(12)
    mov     %r13, GPR(13)
    mov     %r14, GPR(14)
    mov     %r15, GPR(15)
    mov     %gs:VSUP_CTX_AGENT_SP, %rsp
    pushfq
    pop     %rax
    mov     %rax, %gs:VSUP_CTX_RFLAGS
    cld
    test    $0x40000, %eax                  # the app's alignment check flag is not for us
    jnz     3f
1:  mov     %gs:0, %rdi
    call    vsup_dispatch
    cmp     $VSUP_ACTION_SYSCALL, %eax
    je      vsup_syscall_restore_start
    cmp     $VSUP_ACTION_RESUME, %eax
    jne     4f

# From here to the jump the whole app state is in the context, so a thread that stops here can be moved from it.
vsup_restore_start:
    cmpq    $0, %gs:VSUP_CTX_PENDING
    jne     2f
    restore_flags
    restore_gprs
    jmp     *%gs:VSUP_CTX_NEXT_CACHE_PC
vsup_restore_end:

2:  movq    $VSUP_SERVICE_SAFE_POINT, %gs:VSUP_CTX_SERVICE
vsup_service_trap:
    int3
    jmp     vsup_service_trap               # the trap was lost: another thread has made SIGTRAP ignored, which drops it
vsup_service_done:
    ret                                     # only a query comes back here, by way of vsup_service_query

vsup_service_query:
    jmp     vsup_service_trap

3:  push    %rax
    andl    $~0x40000, (%rsp)
    popfq
    cld
    jmp     1b

4:  cmp     $VSUP_ACTION_SERVICE, %eax
    je      vsup_service_trap
    cmp     $VSUP_ACTION_SIGRETURN, %eax
    je      6f

# A system call that creates a process with a copy of this address space: the agent's lock is held across it, and both
# processes come back through the dispatcher, which releases it. A thread in here is in the agent: it cannot be moved.
    restore_flags
    restore_gprs
    syscall
    movq    $VSUP_EXIT_AFTER_FORK, %gs:VSUP_CTX_EXIT_ID
    mov     %gs:VSUP_CTX_APP_PC, %rcx
    jmp     vsup_exit

# The frame's pc has been replaced by vsup_enter.
6:  restore_flags
    restore_gprs
    syscall
    ud2

vsup_syscall_restore_start:
    cmpq    $0, %gs:VSUP_CTX_PENDING
    jne     5f
    restore_flags
    restore_gprs
vsup_syscall_restore_end:
vsup_syscall_insn:
    syscall
vsup_syscall_return:
    mov     %gs:VSUP_CTX_APP_PC, %rcx       # as after a system call in place
    jmp     *%gs:VSUP_CTX_NEXT_CACHE_PC

5:  mov     %gs:VSUP_CTX_SYSCALL_PC, %rax
    mov     %rax, %gs:VSUP_CTX_APP_PC
    movq    $VSUP_EXIT_BEFORE_SYSCALL, %gs:VSUP_CTX_EXIT_ID
    jmp     2b

# A remote call by the supervisor returns here.
vsup_remote_return:
    int3
    jmp     vsup_remote_return

# bool vsup_safe_copy(void* to, const void* from, size_t size): false when either side cannot be accessed.
# By words, as most are short: rep movsb takes longer to begin than to copy 64 bytes.
vsup_safe_copy:
    mov     %rdx, %rcx
    shr     $3, %rcx
    and     $7, %edx
vsup_safe_access_start:
    jrcxz   2f
1:  mov     (%rsi), %rax
    mov     %rax, (%rdi)
    add     $8, %rsi
    add     $8, %rdi
    dec     %rcx
    jnz     1b
2:  test    %edx, %edx
    jz      4f
3:  mov     (%rsi), %al
    mov     %al, (%rdi)
    inc     %rsi
    inc     %rdi
    dec     %edx
    jnz     3b
vsup_safe_access_end:
4:  mov     $1, %eax
    ret
vsup_safe_access_fail:
    xor     %eax, %eax
    ret

.section .exports, "aw"
.globl vsup_exports
.balign 8
vsup_exports:
    .long   0x50555356
    .long   1
    .quad   vsup_text_start
    .quad   vsup_text_end
    .quad   vsup_enter
    .quad   vsup_deliver
    .quad   vsup_syscall_insn
    .quad   vsup_syscall_return
    .quad   vsup_restore_start
    .quad   vsup_restore_end
    .quad   vsup_syscall_restore_start
    .quad   vsup_syscall_restore_end
    .quad   vsup_safe_access_start
    .quad   vsup_safe_access_end
    .quad   vsup_safe_access_fail
    .quad   vsup_fixups_start
    .quad   vsup_fixups_end
    .quad   vsup_service_trap
    .quad   vsup_service_done
    .quad   vsup_reset_cache
    .quad   vsup_remote_return
    .quad   vsup_initialize
    .quad   vsup_state
    .quad   vsup_settings
    .quad   vsup_place_hooks
    .quad   vsup_hook_return_door
    .quad   vsup_hook_call_door
    .quad   vsup_hook_jump_door
    .quad   vsup_loader_stop
    .quad   vsup_loader_door
    .quad   vsup_hook_return
    .quad   vsup_step_start
    .quad   vsup_step_end

.section .note.GNU-stack, "", @progbits
