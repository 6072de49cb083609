# Purpose: the doors between a hooked function of the app and the heap layer, and the call frame information of the
# frame in between, for the app's own unwinder.
# Assumes: an island jumps here with r11 = HookSite; every other register and the stack are as the app called the
# function with. Promises: the function runs with the app's arguments and its result reaches the caller; callee-saved
# registers are never changed, so one rule describes the frame at the only place where an unwinder can find it.
#
#   caller ─> function ─> island ─> hook ─┬─> vsup_heap_before ─> jump to the function  (nothing to do afterwards)
#                                         └─> ... ─> call the function ─> vsup_heap_after ─> return to the caller

#include "agent/heap/hook_frame.h"

#define FRAME VSUP_HOOK_FRAME

.section .text.entry, "ax"
.globl vsup_hook, vsup_hook_return, vsup_hook_return_door, vsup_hook_call_door, vsup_hook_jump_door
.globl vsup_hook_find_frame, vsup_loader_stop, vsup_loader_door

.macro restore_arguments
    mov     VSUP_HOOK_RDI(%rsp), %rdi
    mov     VSUP_HOOK_RSI(%rsp), %rsi
    mov     VSUP_HOOK_RDX(%rsp), %rdx
    mov     VSUP_HOOK_RCX(%rsp), %rcx
    mov     VSUP_HOOK_R8(%rsp), %r8
    mov     VSUP_HOOK_R9(%rsp), %r9
    mov     VSUP_HOOK_SITE(%rsp), %r11
    mov     (%r11), %r11                    # HookSite::trampoline
    mov     VSUP_HOOK_THREAD(%rsp), %rax
.endm

# `function(frame)` on the stack of the thread in rax: the app's may be small, and nothing of ours is left on it. Who
# comes from there (the layer has called a function of the app's that allocates) goes on below its caller.
.macro call_on_own_stack function
    mov     %rsp, %rdi
    mov     VSUP_HEAP_THREAD_STACK(%rax), %rcx
    mov     %rcx, %rdx
    sub     %rsp, %rdx
    cmp     $VSUP_HEAP_STACK_SIZE, %rdx
    jb      9f
    mov     %rcx, %rsp
9:  and     $-16, %rsp
    push    %rdi
    push    %rdi
    call    \function
    pop     %rsp
.endm

# A pointer that stays behind on the app's stack would look like the app's own to who searches it for pointers.
.macro forget_frame
    movq    $0, -8(%rsp)
    movq    $0, VSUP_HOOK_RDI(%rsp)
    movq    $0, VSUP_HOOK_SITE(%rsp)
    movq    $0, VSUP_HOOK_THREAD(%rsp)
    movq    $0, VSUP_HOOK_RESULT(%rsp)
    movq    $0, VSUP_HOOK_FORMER(%rsp)
.endm

vsup_hook:
    sub     $FRAME, %rsp
    mov     %rdi, VSUP_HOOK_RDI(%rsp)
    mov     %rsi, VSUP_HOOK_RSI(%rsp)
    mov     %rdx, VSUP_HOOK_RDX(%rsp)
    mov     %rcx, VSUP_HOOK_RCX(%rsp)
    mov     %r8, VSUP_HOOK_R8(%rsp)
    mov     %r9, VSUP_HOOK_R9(%rsp)
    mov     %rbp, VSUP_HOOK_RBP(%rsp)
    mov     %r11, VSUP_HOOK_SITE(%rsp)
    call    vsup_heap_thread
    mov     %rax, VSUP_HOOK_THREAD(%rsp)
    call_on_own_stack vsup_heap_before
    test    %eax, %eax
    jz      2f
    restore_arguments
    cmpq    $0, VSUP_HEAP_THREAD_HOLD(%rax)
    jne     1f
    call    *%r11
vsup_hook_return:
    mov     %rax, VSUP_HOOK_RESULT(%rsp)
    mov     VSUP_HOOK_THREAD(%rsp), %rax
    call_on_own_stack vsup_heap_after
    mov     VSUP_HOOK_THREAD(%rsp), %rcx
    mov     VSUP_HOOK_RESULT(%rsp), %rax
    forget_frame
    add     $FRAME, %rsp
    cmpq    $0, VSUP_HEAP_THREAD_HOLD(%rcx)
    jne     3f
    ret

# The supervisor sends a thread on from each of these traps. A trap may be lost: a thread that makes SIGTRAP ignored
# drops those that wait (kernel/signal.c, do_sigaction).
1:  int3
vsup_hook_call_door:
    jmp     1b

2:  restore_arguments
    forget_frame
    add     $FRAME, %rsp
    cmpq    $0, VSUP_HEAP_THREAD_HOLD(%rax)
    jne     4f
    jmp     *%r11

3:  int3
vsup_hook_return_door:
    jmp     3b

4:  int3
vsup_hook_jump_door:
    jmp     4b

# At the entry of the loader's function. An int3 in its place would take from an app that blocks or ignores SIGTRAP what
# it has chosen: SIGTRAP is unblocked before, and the frame (protocol/heap.h) tells the supervisor what to put back.
vsup_loader_stop:
    push    %rax
    push    %rcx
    push    %rdx
    push    %rsi
    push    %rdi
    push    %r10
    push    %r11
    sub     $40, %rsp
    mov     $1, %edi                        # SIG_UNBLOCK
    lea     vsup_trap_mask(%rip), %rsi
    lea     32(%rsp), %rdx
    mov     $8, %r10d
    mov     $14, %eax                       # rt_sigprocmask
    syscall
    mov     $5, %edi                        # SIGTRAP
    xor     %esi, %esi
    mov     %rsp, %rdx
    mov     $8, %r10d
    mov     $13, %eax                       # rt_sigaction
    syscall
5:  int3
vsup_loader_door:
    jmp     5b

# _Unwind_Find_FDE(pc, bases): bases is {text base, data base, function}. Source: gcc, libgcc/unwind-dw2-fde.h.
# It is asked for a byte of the call, which lies before the return address.
vsup_hook_find_frame:
    lea     vsup_hook(%rip), %rax
    cmp     %rax, %rdi
    jb      5f
    lea     vsup_hook_end(%rip), %rcx
    cmp     %rcx, %rdi
    jae     5f
    movq    $0, (%rsi)
    movq    $0, 8(%rsi)
    mov     %rax, 16(%rsi)
    lea     vsup_hook_fde(%rip), %rax
    ret
5:  mov     (%r11), %r11
    jmp     *%r11
vsup_hook_end:

# The frame for an unwinder (DWARF 4, section 6.4; augmentations: LSB 5.0, Exception Frames). The personality hears of
# an exception that passes. Not in a section of the usual name, which the linker would want to edit.
.section .rodata.hook_frame, "a"
.balign 8
vsup_trap_mask:
    .quad   1 << 4
vsup_hook_cie:
    .long   vsup_hook_cie_end - . - 4
    .long   0
    .byte   1
    .asciz  "zPR"
    .byte   1                               # code alignment
    .byte   0x78                            # data alignment -8
    .byte   16                              # return address column
    .byte   10                              # size of what follows
    .byte   0x00                            # personality: absolute
    .quad   vsup_hook_personality
    .byte   0x00                            # addresses: absolute
    .byte   0x0c, 7                         # CFA = rsp + FRAME + 8
    .byte   (FRAME + 8) & 0x7f | 0x80, (FRAME + 8) >> 7
    .byte   0x80 | 16, 1                    # return address at CFA - 8
    .balign 8, 0
vsup_hook_cie_end:
vsup_hook_fde:
    .long   vsup_hook_fde_end - . - 4
    .long   . - vsup_hook_cie
    .quad   vsup_hook
    .quad   vsup_hook_end - vsup_hook
    .byte   0
    .balign 8, 0
vsup_hook_fde_end:
    .long   0

.section .note.GNU-stack, "", @progbits
