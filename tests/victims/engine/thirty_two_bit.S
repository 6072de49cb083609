// A 32-bit program is never injected: it runs native, and the log says so.
// BUILD: m32
// NEEDS: 32-bit
// MODES: default
// EXPECT: 32 bits
	.code32
	.globl _start
_start:
	movl $4, %eax
	movl $1, %ebx
	movl $text, %ecx
	movl $8, %edx
	int $0x80
	movl $1, %eax
	xorl %ebx, %ebx
	int $0x80
	.section .rodata
text:	.ascii "32 bits\n"
	.section .note.GNU-stack, "", @progbits
