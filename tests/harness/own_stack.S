# Both end in capture_stack(return address, rsp and rbp of the caller, depth, cache).
.macro capture name, cache
.globl \name
.type \name, @function
\name:
    .cfi_startproc
    \cache
    mov     %edi, %ecx
    mov     (%rsp), %rdi
    lea     8(%rsp), %rsi
    mov     %rbp, %rdx
    jmp     _ZN4vsup5agent13capture_stackEmmmjPNS0_9WalkCacheE
    .cfi_endproc
.size \name, . - \name
.endm

# vsup_capture_here(depth)
capture vsup_capture_here, "xor %r8d, %r8d"
# vsup_capture_cached(depth, cache)
capture vsup_capture_cached, "mov %rsi, %r8"

.section .note.GNU-stack, "", @progbits
