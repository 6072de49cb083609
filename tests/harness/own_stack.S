# Both end in capture_stack(return address, rsp and rbp of the caller, depth, cache).
# vsup_capture_here(depth)
.globl vsup_capture_here
.type vsup_capture_here, @function
vsup_capture_here:
    .cfi_startproc
    xor     %r8d, %r8d
    mov     %edi, %ecx
    mov     (%rsp), %rdi
    lea     8(%rsp), %rsi
    mov     %rbp, %rdx
    jmp     _ZN4vsup5agent13capture_stackEmmmjPNS0_9WalkCacheE
    .cfi_endproc
.size vsup_capture_here, . - vsup_capture_here

# vsup_capture_cached(depth, cache)
.globl vsup_capture_cached
.type vsup_capture_cached, @function
vsup_capture_cached:
    .cfi_startproc
    mov     %rsi, %r8
    mov     %edi, %ecx
    mov     (%rsp), %rdi
    lea     8(%rsp), %rsi
    mov     %rbp, %rdx
    jmp     _ZN4vsup5agent13capture_stackEmmmjPNS0_9WalkCacheE
    .cfi_endproc
.size vsup_capture_cached, . - vsup_capture_cached
.section .note.GNU-stack, "", @progbits
