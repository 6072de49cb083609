# Threads that are ended, or let go, wherever they are, and whose instructions can be counted nevertheless:
# ended KIND FILE. Eight threads execute instructions that each add 1 to a number of their own in FILE (thread t's
# number i lies at 256 t + 8 i; at 2048 are the instructions' addresses, as they follow each other).
#   exit  after 30 ms the first thread ends the process by exit_group
#   kill  by SIGKILL
#   wait  it waits to be ended
    .globl _start
    .type _start, @function
_start:
    mov     16(%rsp), %rbp              # argv[1]
    mov     24(%rsp), %rdi              # argv[2]
    mov     $2, %eax                    # open, O_RDWR
    mov     $2, %esi
    syscall
    mov     %eax, %r8d
    mov     $9, %eax                    # mmap, shared
    xor     %edi, %edi
    mov     $4096, %esi
    mov     $3, %edx
    mov     $1, %r10d
    xor     %r9d, %r9d
    syscall
    mov     %rax, %rbx
    lea     2048(%rbx), %rdi
    mov     $places, %esi
    mov     $12, %ecx
1:  mov     (%rsi), %rax
    mov     %rax, (%rdi)
    add     $8, %rsi
    add     $8, %rdi
    dec     %ecx
    jnz     1b
    mov     $stacks + 1024, %r12d
    mov     $8, %r13d
2:  mov     $56, %eax                   # clone, a thread
    mov     $0x50f00, %edi
    mov     %r12, %rsi
    xor     %edx, %edx
    xor     %r10d, %r10d
    xor     %r8d, %r8d
    syscall
    test    %eax, %eax
    jz      spin
    add     $256, %rbx
    add     $1024, %r12
    dec     %r13d
    jnz     2b
3:  mov     $35, %eax                   # nanosleep
    mov     $a_while, %edi
    xor     %esi, %esi
    syscall
    cmpb    $'w', (%rbp)
    je      3b
    cmpb    $'k', (%rbp)
    je      4f
    mov     $231, %eax                  # exit_group
    xor     %edi, %edi
    syscall
4:  mov     $39, %eax                   # getpid
    syscall
    mov     %eax, %edi
    mov     $9, %esi
    mov     $62, %eax                   # kill
    syscall
    hlt
    .size _start, . - _start

    .type spin, @function
spin:
at0: addq   $1, (%rbx)                  # the flags are dead at the block's start
at1: addq   $1, 8(%rbx)
    lea     3(%rdx), %rdx
at2: incq   16(%rbx)
    call    inner
at3: addq   $1, 24(%rbx)
    stc
    jmp     5f
5:
at4: incq   32(%rbx)                    # and alive here
    pause
at5: incq   40(%rbx)
    jnc     spin
at6: incq   48(%rbx)
    adc     $0, %rdx
    call    *where(%rip)
    jmp     spin
    .size spin, . - spin

    .type inner, @function
inner:
at7: incq   56(%rbx)
    testb   $1, 56(%rbx)
    jz      6f                          # each second time, in the middle of what is counted as a whole
at10: incq  80(%rbx)
6:
at11: addq  $1, 88(%rbx)
    ret
    .size inner, . - inner
    .type other, @function
other:
at8: addq   $1, 64(%rbx)
    xor     %rdx, %rcx
at9: incq   72(%rbx)
    ret
    .size other, . - other

    .data
    .balign 8
where: .quad other
a_while: .quad 0, 30000000
places: .quad at0, at1, at2, at7, at10, at11, at3, at4, at5, at6, at8, at9
    .bss
    .balign 16
stacks: .skip 9 * 1024
    .section .note.GNU-stack, "", @progbits
