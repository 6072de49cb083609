# They end in capture_stack(return address, rsp and rbp of the caller, depth, cache, ids).
.macro capture name, cache, ids
.globl \name
.type \name, @function
\name:
    .cfi_startproc
    \cache
    mov     $\ids, %r9d
    mov     %edi, %ecx
    mov     (%rsp), %rdi
    lea     8(%rsp), %rsi
    mov     %rbp, %rdx
    jmp     _ZN4vsup5agent13capture_stackEmmmjPNS0_9WalkCacheENS0_8StackIdsE
    .cfi_endproc
.size \name, . - \name
.endm

# vsup_capture_here(depth)
capture vsup_capture_here, "xor %r8d, %r8d", 0
# vsup_capture_cached(depth, cache)
capture vsup_capture_cached, "mov %rsi, %r8", 0
# vsup_capture_walked(depth, cache): ids by walk
capture vsup_capture_walked, "mov %rsi, %r8", 1

.section .note.GNU-stack, "", @progbits
