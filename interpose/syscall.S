/* SPDX-License-Identifier: MIT */
/*
 * syscall(2) by number, passed on by a jump.
 *
 * Some numbers matter (bynumber.c): seccomp(2), after which a call that the program did not make may be its death;
 * what shares descriptors with another process, changes credentials, closes. It must be a jump: a program may vfork or
 * clone through it, and a C frame that its child returns from is gone for the parent.
 *
 * dftio__raw_syscall is the same without libc: what stands in for every name until the real ones are resolved.
 */
#if defined(__x86_64__)

	.text
	.globl	syscall
	.type	syscall, @function
	.p2align 4
syscall:
	.cfi_startproc
	endbr64
	cmp	$511, %rdi
	ja	1f
	bt	%rdi, dftio__numbers(%rip)
	jc	2f
1:	jmp	*dftio__next_syscall(%rip)
2:	push	%rdi
	push	%rsi
	push	%rdx
	push	%rcx
	push	%r8
	push	%r9
	sub	$8, %rsp
	.cfi_adjust_cfa_offset 56
	call	dftio__by_number
	add	$8, %rsp
	pop	%r9
	pop	%r8
	pop	%rcx
	pop	%rdx
	pop	%rsi
	pop	%rdi
	.cfi_adjust_cfa_offset -56
	jmp	1b
	.cfi_endproc
	.size	syscall, . - syscall

	.globl	dftio__raw_syscall
	.hidden	dftio__raw_syscall
	.type	dftio__raw_syscall, @function
	.p2align 4
dftio__raw_syscall:
	.cfi_startproc
	endbr64
	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%rcx, %rdx
	mov	%r8, %r10
	mov	%r9, %r8
	mov	8(%rsp), %r9
	syscall
	cmp	$-4095, %rax
	jae	1f
	ret
1:	mov	%rax, %rdi
	jmp	dftio__raw_failed
	.cfi_endproc
	.size	dftio__raw_syscall, . - dftio__raw_syscall

#elif defined(__aarch64__)

	.text
	.globl	syscall
	.type	syscall, %function
	.p2align 4
syscall:
	.cfi_startproc
	hint	#34			/* bti c */
	cmp	x0, #511
	b.hi	0f
	adrp	x16, dftio__numbers
	add	x16, x16, #:lo12:dftio__numbers
	lsr	x17, x0, #6
	ldr	x16, [x16, x17, lsl #3]
	lsr	x16, x16, x0
	tbnz	x16, #0, 1f
0:	adrp	x16, dftio__next_syscall
	ldr	x16, [x16, #:lo12:dftio__next_syscall]
	br	x16
1:	stp	x29, x30, [sp, #-80]!
	.cfi_def_cfa_offset 80
	.cfi_offset 29, -80
	.cfi_offset 30, -72
	stp	x0, x1, [sp, #16]
	stp	x2, x3, [sp, #32]
	stp	x4, x5, [sp, #48]
	str	x6, [sp, #64]
	bl	dftio__by_number
	ldp	x0, x1, [sp, #16]
	ldp	x2, x3, [sp, #32]
	ldp	x4, x5, [sp, #48]
	ldr	x6, [sp, #64]
	ldp	x29, x30, [sp], #80
	.cfi_restore 30
	.cfi_restore 29
	.cfi_def_cfa_offset 0
	b	0b
	.cfi_endproc
	.size	syscall, . - syscall

	.globl	dftio__raw_syscall
	.hidden	dftio__raw_syscall
	.type	dftio__raw_syscall, %function
	.p2align 4
dftio__raw_syscall:
	.cfi_startproc
	hint	#34
	mov	x8, x0
	mov	x0, x1
	mov	x1, x2
	mov	x2, x3
	mov	x3, x4
	mov	x4, x5
	mov	x5, x6
	svc	#0
	cmn	x0, #4095
	b.hs	1f
	ret
1:	b	dftio__raw_failed
	.cfi_endproc
	.size	dftio__raw_syscall, . - dftio__raw_syscall

#else
#error "syscall.S is written for x86-64 and aarch64"
#endif

	.section .note.GNU-stack, "", %progbits
