# A program whose instructions can be counted by hand: 1, then 5,000 rounds of call, three in the function, dec and jnz,
# then 3.
    .globl _start
    .type _start, @function
    .type work, @function
_start:
    mov     $5000, %ebx
1:  call    work
    dec     %ebx
    jnz     1b
    mov     $60, %eax
    xor     %edi, %edi
    syscall
    .size _start, . - _start
work:
    lea     1(%rax), %rax
    lea     2(%rdx), %rdx
    ret
    .size work, . - work
    .section .note.GNU-stack, "", @progbits
