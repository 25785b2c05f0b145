/* SPDX-License-Identifier: MIT */
/*
 * refuse_uring ERRNO -- COMMAND...: runs a command that cannot make an io_uring, as in a container whose seccomp
 * profile refuses io_uring_setup. ERRNO is EPERM or ENOSYS; everything else is allowed.
 *
 * Owns:    nothing after exec but the filter, which the kernel keeps for the command and all its children.
 * Threads: one.
 * Never:   runs the command without the filter. When the filter cannot be installed, or does not refuse, the status
 *          is 125 and stderr says why.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define FILTER_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define FILTER_ARCH AUDIT_ARCH_AARCH64
#else
#error "no audit architecture known for this machine"
#endif

#define NR_IO_URING_SETUP 425 /* the same on every architecture */
#define STATUS_NO_FILTER  125

static int complain(const char *what)
{
	fprintf(stderr, "refuse_uring: %s: %s\n", what, strerror(errno));
	return STATUS_NO_FILTER;
}

static int install_filter(unsigned int refusal)
{
	struct sock_filter code[] = {
		/* A call by another architecture's table has other numbers: not ours to judge. */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FILTER_ARCH, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_IO_URING_SETUP, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (refusal & SECCOMP_RET_DATA)),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	/* Without privileges a filter is only taken from a process that gives up gaining any. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

int main(int argc, char **argv)
{
	int refusal;

	if (argc < 4 || strcmp(argv[2], "--") != 0)
		refusal = 0;
	else if (strcmp(argv[1], "EPERM") == 0)
		refusal = EPERM;
	else if (strcmp(argv[1], "ENOSYS") == 0)
		refusal = ENOSYS;
	else
		refusal = 0;
	if (!refusal) {
		fputs("usage: refuse_uring EPERM|ENOSYS -- COMMAND...\n", stderr);
		return STATUS_NO_FILTER;
	}
	if (install_filter((unsigned int)refusal) != 0)
		return complain("seccomp filter");
	/* Without parameters the call fails with EFAULT where it is allowed, and makes nothing. */
	if (syscall(NR_IO_URING_SETUP, 1, NULL) != -1 || errno != refusal)
		return complain("io_uring_setup is not refused as asked");
	execvp(argv[3], argv + 3);
	return complain(argv[3]);
}
