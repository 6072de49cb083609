# A program that signals interrupt wherever they come, and whose instructions can be counted nevertheless: interrupted
# KIND. Prints how often its handler ran, as 16 hexadecimal digits.
#   t9  9 times 300,000 rounds with a timer's signals: what n9 counts, without signals, and for each 3 of the handler
#       and 2 of the restorer. One each 3 ms: handling one must take less, or they would be all that happens
#   f1  each of 1,000 rounds reads from nowhere, and the handler has it go on behind that: what g1, which reads from
#       somewhere, counts; less the read, which is not executed, and 4 and 2 more
    .globl _start
    .type _start, @function
_start:
    mov     16(%rsp), %rax              # argv[1]
    movzbl  1(%rax), %ebx
    movzbl  (%rax), %ebp
    sub     $'0', %ebx
    imul    $300000, %ebx
    lea     handler(%rip), %rax
    lea     fault(%rip), %rcx
    mov     %rax, action(%rip)
    mov     %rcx, on_fault(%rip)
    lea     restorer(%rip), %rax
    mov     %rax, 16+action(%rip)
    mov     %rax, 16+on_fault(%rip)
    lea     action(%rip), %rsi
    mov     $14, %edi                   # SIGALRM
    call    sigaction
    lea     on_fault(%rip), %rsi
    mov     $11, %edi                   # SIGSEGV
    call    sigaction
    cmp     $'f', %ebp
    je      faults
    cmp     $'g', %ebp
    je      faults
    cmp     $'t', %ebp
    mov     $0, %edx
    mov     $interval, %esi
    cmovne  %edx, %esi                  # of no signals: a call that fails
    mov     $38, %eax                   # setitimer
    xor     %edi, %edi
    syscall
1:  call    work
    call    *where(%rip)
    dec     %ebx
    jnz     1b
    mov     $38, %eax
    xor     %edi, %edi
    xor     %edx, %edx
    mov     $never, %esi
    syscall
    jmp     print
    .size _start, . - _start

    .type faults, @function
faults:
    lea     readable(%rip), %r13
    xor     %eax, %eax
    cmp     $'f', %ebp
    cmove   %rax, %r13
    mov     $1000, %ebx
2:  lea     1(%rdx), %rdx
    mov     (%r13), %rcx                # three bytes and a displacement of one: 4
    lea     2(%rdx), %rdx
    add     $3, %rdx
    dec     %ebx
    jnz     2b
    jmp     print
    .size faults, . - faults

    .type work, @function
work:
    lea     1(%rdx), %rdx
    add     $5, %rcx
    xor     %rdx, %rcx
    push    %rcx
    pause                               # where most signals come, in the middle of a block
    pause
    lock incq locked(%rip)
    test    $1, %bl
    jz      3f
    lea     (%rdx, %rcx), %rdx
3:  pop     %rcx
    ror     $7, %rcx
    ret
    .size work, . - work

    .type other, @function
other:
    add     %rdx, %rcx
    lea     7(%rcx), %rcx
    jmp     *tail(%rip)
    .size other, . - other
    .type last, @function
last:
    sub     $1, %rcx
    ret
    .size last, . - last

    .type sigaction, @function
sigaction:
    mov     $13, %eax
    xor     %edx, %edx
    mov     $8, %r10d
    syscall
    ret
    .size sigaction, . - sigaction

    .type handler, @function
handler:
    incq    times(%rip)
    nop
    ret
    .size handler, . - handler
    .type fault, @function
fault:
    incq    times(%rip)
    addq    $4, 168(%rdx)               # uc_mcontext's rip: behind the load
    nop
    ret
    .size fault, . - fault
    .type restorer, @function
restorer:
    mov     $15, %eax
    syscall
    .size restorer, . - restorer

    .type print, @function
print:
    mov     times(%rip), %rax
    lea     text(%rip), %rsi
    mov     $16, %ecx
4:  rol     $4, %rax
    mov     %eax, %edx
    and     $15, %edx
    mov     digits(%rdx), %dl
    mov     %dl, (%rsi)
    inc     %rsi
    dec     %ecx
    jnz     4b
    mov     $1, %eax
    mov     $1, %edi
    lea     text(%rip), %rsi
    mov     $17, %edx
    syscall
    mov     $60, %eax
    xor     %edi, %edi
    syscall
    .size print, . - print

    .data
    .balign 8
where: .quad other
tail: .quad last
times: .quad 0
locked: .quad 0
readable: .quad 0
interval: .quad 0, 3000, 0, 3000
never: .quad 0, 0, 0, 0
# struct kernel_sigaction: handler, flags (SA_SIGINFO | SA_RESTORER), restorer, mask
action: .quad 0, 0x4000004, 0, 0
on_fault: .quad 0, 0x4000004, 0, 0
digits: .ascii "0123456789abcdef"
text: .ascii "................\n"
    .section .note.GNU-stack, "", @progbits
