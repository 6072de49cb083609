// The smallest program: no libc, no stack frame, two system calls.
// BUILD: nostdlib
// EXPECT: no libc
	.globl _start
_start:
	movl $1, %eax
	movl $1, %edi
	leaq text(%rip), %rsi
	movl $8, %edx
	syscall
	movl $231, %eax
	xorl %edi, %edi
	syscall
	.section .rodata
text:	.ascii "no libc\n"
	.section .note.GNU-stack, "", @progbits
