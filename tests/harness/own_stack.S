# vsup_capture_here: vsup_capture(return address, rsp and rbp of the caller, depth)
.globl vsup_capture_here
.type vsup_capture_here, @function
vsup_capture_here:
    .cfi_startproc
    mov     %edi, %ecx
    mov     (%rsp), %rdi
    lea     8(%rsp), %rsi
    mov     %rbp, %rdx
    jmp     _ZN4vsup5agent13capture_stackEmmmj
    .cfi_endproc
.size vsup_capture_here, . - vsup_capture_here
.section .note.GNU-stack, "", @progbits
