# Kinds of memory accesses, one function each, ten rounds: what cachegrind counts for them is compared with Valgrind's,
# function by function. Registers at the start of a function: rbx, rsi, rdi, r13 into a buffer, rdx 5, r12 11.

    .section .rodata.table, "a"
    .balign 64
table:

    .macro  F name, code
    .pushsection .rodata.table, "a"
    .quad   \name
    .popsection
    .globl  \name
    .type   \name, @function
\name:
    mov     ten(%rip), %ebp
1:  lea     buffer+4096+60(%rip), %rsi      # 4 bytes before the end of a line
    lea     buffer+8192+16(%rip), %rdi
    lea     buffer+12288(%rip), %rbx
    lea     buffer+16384(%rip), %r13
    mov     $5, %edx
    mov     $11, %r12d
    mov     $3, %ecx
    xor     %eax, %eax
    \code
    dec     %ebp
    jnz     1b
    ret
    .size   \name, . - \name
    .endm

    .text
    .globl  _start
    .type   _start, @function
_start:
    lea     stack_end(%rip), %rsp           # the kernel's lies elsewhere in each run
    lea     table(%rip), %r14
    lea     table_end(%rip), %r15
1:  call    *(%r14)
    add     $8, %r14
    cmp     %r15, %r14
    jne     1b
    mov     $60, %eax
    xor     %edi, %edi
    syscall
    .size   _start, . - _start

# Loads and stores of each size, within a line and over its end.
F load8, "mov (%rsi), %al"
F load16, "mov (%rsi), %ax"
F load32, "mov (%rsi), %eax"
F load64, "mov (%rsi), %rax"
F load_extended, "movzbl (%rsi), %eax; movswq 2(%rsi), %rcx; movslq (%rdi), %rdx"
F store8, "mov %al, (%rsi)"
F store64, "mov %rax, (%rsi)"
F store_immediate, "movq $1, (%rsi); movb $1, (%rdi)"
F indexed, "mov (%rdi, %rdx, 8), %rax; mov %rax, 8(%rdi, %rdx, 4); mov table(, %rdx, 8), %r8; \
    mov 8(%r13, %r12, 2), %r9"
F rip_relative, "mov buffer+100(%rip), %rax; mov %eax, buffer+62(%rip)"
F absolute, "movabs buffer+8192, %rax; mov %rax, buffer+64"
F address32, "mov (%esi), %eax"
F own_base, "mov %rsi, (%rbx); mov (%rbx), %rax; mov (%rax), %rcx"
F chased, "mov %rdi, (%rbx); mov (%rbx), %rbx; mov 8(%rbx), %rax"
F modify, "add %rax, (%rsi); incl (%rdi); notq (%rbx); shlq $3, 8(%rbx); shll %cl, 16(%rbx); neg %rax"
F compare, "cmp %rax, (%rsi); setl %r8b; test %dl, (%rdi); setz %r9b; cmpb $3, (%rbx); setb %r10b; \
    cmp 64(%rbx), %edx; setg %r11b"
F multiply, "imul (%rsi), %rax; mulq (%rdi); imul $3, (%rbx), %r8d; movl $7, (%rdi); xor %edx, %edx; divl (%rdi)"
F conditional_move, "cmove (%rsi), %rax; cmovne (%rdi), %eax"
F set_byte, "setne (%rsi)"
F exchange, "xchg %rax, (%rsi); xchg %al, (%rdi)"
F locked, "lock add %rax, (%rdi); lock incl (%rbx); lock xadd %rax, 8(%rbx); lock notq 16(%rbx); \
    lock btsl $3, 24(%rbx)"
F exchange_add, "xadd %rax, (%rsi)"
F compare_exchange, "cmpxchg %rdx, (%rdi); lock cmpxchg %rdx, (%rdi); lock cmpxchg %cl, (%rbx)"
F compare_exchange_wide, "cmpxchg8b (%rbx); lock cmpxchg8b (%rdi); cmpxchg16b (%r13); lock cmpxchg16b (%r13)"
F bits_in_memory, "btl $3, (%rdi); btsl $4, (%rdi); bt %edx, (%rsi); bts %rdx, (%rdi); btr %r12, (%rbx); \
    btc %dx, (%rdi)"
F bits_far, "mov $-700, %eax; bt %eax, (%rsi); mov $5000, %eax; bts %rax, (%rsi)"
F bits_in_registers, "bt %edx, %eax; bts %rdx, %rax; btr %r12, %rax; btc %dx, %ax; bt $4, %eax; bts $4, %eax"
F bits_locked, "lock bts %rdx, (%rdi); lock btr %edx, (%rdi)"
F push_pop, "push %rax; push $7; pushq (%rsi); pushf; popf; pop %rcx; popq (%rdi); pop %rax"
F push_fs, "push %rbx; push %rsi; mov 8(%rsp), %rax; add $16, %rsp; sub $32, %rsp; mov %rax, (%rsp); \
    lea 32(%rsp), %rsp"
F pop_stack, "push %rax; push %rax; popq (%rsp); pop %rax"
F leaves, "push %rbp; mov %rsp, %rbp; sub $64, %rsp; mov %rax, 8(%rsp); leave"
F enters, "enter $32, $0; leave"
F calls, "call leaf; mov leaf_address(%rip), %rax; call *%rax; mov %rax, (%rbx); call *(%rbx); \
    call *leaf_address(%rip)"
F jumps, "mov landing_two(%rip), %rax; jmp *%rax; 2: .pushsection .rodata.landing; landing_two: .quad 2b; \
    .popsection; nop; mov landing_three(%rip), %rax; mov %rax, (%rbx); jmp *(%rbx); \
    3: .pushsection .rodata.landing; landing_three: .quad 3b; .popsection; nop"
F call_pushes, "call leaf_that_pushes"
F returns_more, "push %rax; call leaf_that_pops; nop"

F conditional_jumps, "jmp 2f; 2: test %edx, %edx; jz 3f; nop; 3: jnz 4f; nop; 4: cmp $5, %ebp; jg 5f; nop; \
    5: jp 6f; 6: jnp 7f; 7: nop"
F loops, "mov seven(%rip), %ecx; 2: loop 2b; mov seven(%rip), %ecx; 3: cmp %ecx, %edx; loopne 3b; \
    mov seven(%rip), %ecx; 4: cmp %ecx, %ecx; loope 4b; mov seven(%rip), %ecx; jrcxz 5f; nop; 5: jecxz 6f; 6: nop"
F loops_byte, "mov seven(%rip), %ecx; 2: dec %rcx; jrcxz 3f; jmp 2b; 3: nop"

# String instructions.
F string_once, "movsb; movsq; stosl; lodsb; scasw; setz %r8b"
F rep_movs, "mov forty(%rip), %ecx; rep movsb; mov seven(%rip), %ecx; rep movsq"
F rep_stos, "mov forty(%rip), %ecx; rep stosl; mov zero(%rip), %ecx; rep stosq"
F rep_down, "mov forty(%rip), %ecx; std; rep movsw; cld"
F rep_cmps, "mov forty(%rip), %ecx; repe cmpsb; lea buffer(%rip), %rsi; movb $9, -3(%rdi); mov forty(%rip), %ecx; \
    repe cmpsl"
F rep_scas, "mov forty(%rip), %ecx; mov $1, %al; repne scasb; xor %eax, %eax; mov forty(%rip), %ecx; repe scasb; \
    movb $1, 20(%rdi); mov forty(%rip), %ecx; repe scasb"
F rep_zero, "mov zero(%rip), %ecx; repe cmpsb; mov zero(%rip), %ecx; rep movsb"

# Vectors.
F sse, "movups (%rsi), %xmm0; movaps (%r13), %xmm1; movups %xmm0, 8(%rsi); movdqa %xmm1, (%r13); \
    addps 16(%r13), %xmm0; movss (%rsi), %xmm2; addsd (%rdi), %xmm0; movq (%rdi), %xmm3; movd (%rsi), %xmm4; \
    movlps (%rdi), %xmm0; movhps %xmm0, (%rdi)"
F sse_convert, "cvtsi2sdl (%rsi), %xmm0; cvtsi2sdq (%rdi), %xmm1; cvttsd2si (%rdi), %eax; cvtss2sd (%rsi), %xmm2; \
    cvtdq2pd (%rdi), %xmm3; cvtps2pd (%rdi), %xmm4; cvtpd2ps (%r13), %xmm5; cvtdq2ps (%r13), %xmm6"
F sse_integer, "pshufd $1, (%r13), %xmm0; paddq (%r13), %xmm0; pinsrw $2, (%rdi), %xmm0; pcmpeqb (%r13), %xmm0; \
    punpcklbw (%r13), %xmm0; movnti %eax, (%rdi); movntdq %xmm0, (%r13); lddqu (%rsi), %xmm1"
F sse4, "pmovzxbw (%rdi), %xmm0; pmovsxbq (%rdi), %xmm1; pinsrd $1, (%rdi), %xmm0; pextrb $1, %xmm0, (%rdi); \
    extractps $1, %xmm0, (%rdi); ptest (%r13), %xmm0; setz %r8b; pcmpistri $0, (%r13), %xmm0; mov %ecx, %r9d; \
    popcnt (%rdi), %r10; crc32l (%rdi), %eax; movbe (%rdi), %rcx"
F unpack, "unpcklps (%r13), %xmm0; unpckhpd (%r13), %xmm0; movddup (%rdi), %xmm1; movsldup (%r13), %xmm2; \
    insertps $0, (%rdi), %xmm0"
F mmx, "movq (%rdi), %mm0; paddd (%rdi), %mm0; punpcklbw (%rdi), %mm0; movq %mm0, (%rdi); movd (%rdi), %mm1"
F avx, "vmovups (%rsi), %ymm0; vmovaps (%r13), %ymm1; vmovups %ymm0, 8(%rsi); vaddps 32(%r13), %ymm0, %ymm0; \
    vbroadcastss (%rdi), %ymm2; vbroadcastf128 (%r13), %ymm3; vinsertf128 $1, (%r13), %ymm0, %ymm4; \
    vextractf128 $1, %ymm0, (%r13); vcvtps2pd (%r13), %ymm5; vpmovzxbw (%r13), %ymm6"
F avx2, "vpaddd (%rsi), %ymm0, %ymm0; vpbroadcastb (%rdi), %ymm1; vpermd (%r13), %ymm0, %ymm2; \
    vpshufb (%r13), %ymm0, %ymm3; vpcmpeqb (%r13), %ymm1, %ymm4"
F bmi, "andn (%rdi), %eax, %ecx; bextr %eax, (%rdi), %edx; rorx $3, (%rdi), %r8; shlx %rax, (%rdi), %r9; \
    mulx (%rdi), %rax, %r10; pdep (%rdi), %rax, %r11; lzcnt (%rdi), %r12; tzcnt (%rdi), %esi; adcx (%rbx), %rax"

F sse_more, "cvtpi2ps (%rdi), %xmm0; cvtps2pi (%rdi), %mm0; cvtpd2pi (%r13), %mm1; cvtpi2pd (%rdi), %xmm1; \
    movntps %xmm0, (%r13); movntq %mm0, (%rdi); maskmovdqu %xmm0, %xmm1; aesenc (%r13), %xmm0; \
    pclmulqdq $1, (%r13), %xmm1; mpsadbw $1, (%r13), %xmm2; blendvps %xmm0, (%r13), %xmm3; \
    roundss $1, (%rsi), %xmm4; pcmpestrm $0, (%r13), %xmm2"
F sse_widening, "pmovsxbd (%rdi), %xmm0; pmovzxwq (%rdi), %xmm1; pmovsxdq (%rdi), %xmm2; movlpd (%rdi), %xmm3; \
    movhpd (%rdi), %xmm3; movlps %xmm3, (%rdi); comiss (%rsi), %xmm0; seta %r8b; cmpsd $1, (%rdi), %xmm0; \
    shufps $1, (%r13), %xmm1; sqrtss (%rsi), %xmm4; pinsrb $1, (%rsi), %xmm2; pinsrq $1, (%rdi), %xmm2; \
    pextrw $1, %xmm2, (%rsi)"
F avx_more, "vcvtdq2pd (%r13), %ymm0; vcvtpd2psy (%r13), %xmm1; vmovddup (%r13), %ymm2; vbroadcastsd (%rdi), %ymm3; \
    vpmovsxbd (%rdi), %ymm4; vmovntps %ymm0, (%r13); vlddqu (%rsi), %ymm5; vpinsrb $1, (%rdi), %xmm1, %xmm1; \
    vmovss (%rsi), %xmm6; vmovq (%rdi), %xmm7; vmovhps (%rdi), %xmm7, %xmm7; vpermilps $1, (%r13), %ymm8; \
    vptest (%r13), %ymm0; setz %r8b"
F avx_convert, "vcvtps2pd (%rdi), %xmm0; vcvtdq2pd (%rdi), %xmm1; vcvttpd2dqy (%r13), %xmm2; \
    vcvtdq2ps (%rsi), %ymm3; vcvtsi2sdl (%rsi), %xmm0, %xmm7; vsqrtpd (%rsi), %ymm4; vcvtph2ps (%rdi), %xmm5; \
    vcvtph2ps (%r13), %ymm6; vcvtps2ph $0, %xmm5, (%rdi); vcvtps2ph $0, %ymm5, (%r13)"
F fma, "vfmadd231pd (%rsi), %ymm0, %ymm1; vfmadd213ss (%rsi), %xmm0, %xmm2; vfnmsub132sd (%rdi), %xmm0, %xmm3"
F avx2_more, "vpbroadcastw (%rdi), %ymm1; vpbroadcastd (%rdi), %xmm2; vpbroadcastq (%rdi), %ymm3; \
    vbroadcasti128 (%r13), %ymm4; vpsllvd (%rsi), %ymm1, %ymm5; vpmovzxbq (%rdi), %ymm6; \
    vinserti128 $1, (%r13), %ymm6, %ymm7; vextracti128 $1, %ymm7, (%r13); vpalignr $3, (%rsi), %ymm1, %ymm8; \
    vmovdqu %ymm8, (%rsi)"

F sse_parts, "cvttps2pi (%rdi), %mm0; cvttpd2pi (%r13), %mm1; maskmovq %mm0, %mm1; vmaskmovdqu %xmm0, %xmm1; \
    vfmadd231ps (%rsi), %ymm0, %ymm1; vfmaddsub231ps (%rsi), %xmm0, %xmm1; vfmsub132pd (%rsi), %xmm2, %xmm3"

# x87 and others.
F x87, "fldl (%rdi); fadds (%rdi); fstpl (%rdi); fildll (%rdi); fistpl (%rdi); flds (%rdi); fstps 4(%rsi); \
    fildl (%rdi); fistps (%rdi)"
F x87_long, "fldt (%rdi); fstpt (%rsi); fnstcw (%rdi); fldcw (%rdi); fnstsw (%rdi); fld1; fstps 8(%rdi)"
F x87_more, "fcoml (%rdi); fists (%rdi); fisttpll (%rdi); fiadds (%rdi); fidivl (%rdi); fsubrl (%rdi)"
F fpu_state, "fnstenv (%r13); fldenv (%r13); fnsave (%r13); frstor (%r13)"
F register_state, "fxsave (%r13); fxrstor (%r13); mov $7, %eax; xor %edx, %edx; xsave (%r13); xrstor (%r13)"
F mxcsr, "stmxcsr (%rdi); ldmxcsr (%rdi)"
F not_accesses, "lea (%rsi), %rax; prefetcht0 (%rsi); nopl (%rsi); prefetchw (%rsi)"

# Of these Valgrind sees less: as said in cachesim.py.
F masked, "vpcmpeqd %ymm0, %ymm0, %ymm0; vpmaskmovd (%rsi), %ymm0, %ymm1; vmaskmovpd %ymm1, %ymm0, (%rsi)"
F some_state, "mov $1, %eax; xor %edx, %edx; xsave (%r13)"

# What Valgrind's optimiser takes away: loads of which nothing is used, branches whose target it knows.
F dead_loads, "mov (%rdi), %rax; mov (%rbx), %rax; cmp %eax, (%rbx)"
F known_target, "lea 2f(%rip), %rax; jmp *%rax; 2: nop"

# Instructions over line ends, and a loop longer than a line.
    .balign 64
    .skip   61, 0x90
F straddling, "nop; movabs $0x123456789abcdef0, %rax; movabs $0x123456789abcdef0, %rax; nopw 0x100(%rax, %rax, 1); \
    movabs $0x123456789abcdef0, %rax; movabs $0x123456789abcdef0, %rax; nopw 0x100(%rax, %rax, 1)"

# Pseudo-random accesses over 60,000 bytes, a third of them over a line's end, with a few streams between.
    .pushsection .rodata.table, "a"
    .quad   walk
    .popsection
    .globl  walk
    .type   walk, @function
walk:
    mov     $30000, %ebp
    mov     $12345, %eax
    lea     buffer(%rip), %rbx
1:  imul    $1103515245, %eax, %eax
    add     $12345, %eax
    mov     %eax, %ecx
    shr     $8, %ecx
    cmp     $0x400000, %eax
    jb      2f
    imul    $60000, %rcx, %rcx
    shr     $24, %rcx
    mov     (%rbx, %rcx), %rdx
    add     %dl, 1(%rbx, %rcx)
    test    $0x10000, %eax
    jz      3f
2:  and     $0xff8, %ecx
    movups  %xmm0, (%rbx, %rcx, 8)
    jmp     4f
3:  xor     $1, %rdx
    mov     %rdx, 3(%rbx, %rcx)
4:  test    $0x700000, %eax
    jnz     5f
    mov     $12, %ecx
6:  mov     (%rsi), %rdx
    add     %rdx, (%rbx)
    add     $64, %rsi
    dec     %ecx
    jnz     6b
5:  lea     buffer(%rip), %rsi
    dec     %ebp
    jnz     1b
    ret
    .size   walk, . - walk

    .type   leaf, @function
leaf:
    ret
    .size   leaf, . - leaf
    .type   leaf_that_pushes, @function
leaf_that_pushes:
    push    %rbx
    push    %rsi
    push    %rdi
    sub     $40, %rsp
    mov     %rax, 8(%rsp)
    mov     32(%rsp), %rcx
    add     $40, %rsp
    pop     %rdi
    pop     %rsi
    pop     %rbx
    ret
    .size   leaf_that_pushes, . - leaf_that_pushes
    .type   leaf_that_pops, @function
leaf_that_pops:
    ret     $8
    .size   leaf_that_pops, . - leaf_that_pops

    .section .rodata.table
table_end:
    .section .rodata
leaf_address:
    .quad   leaf
seven:
    .quad   7
forty:
    .quad   40
zero:
    .quad   0
ten:
    .quad   10
    .data                                   # without written data in the file Valgrind reads no symbols
    .quad   1
    .bss
    .balign 4096
    .globl  buffer
buffer:
    .skip   65536
    .skip   65536
stack_end:
    .section .note.GNU-stack, "", @progbits
