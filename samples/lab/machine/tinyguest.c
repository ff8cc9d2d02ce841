/*
 * tinyguest: keep one virtual machine on one CPU.
 *
 *     tinyguest CPU spin|hlt|idle|brief
 *
 * spin   the virtual CPU loops: the CPU is nearly always in guest mode
 * hlt    it halts, KVM returns to us or blocks, and it is entered again
 * idle   the machine exists, its virtual CPU is never entered
 * brief  it is entered once (a port write brings it back), then all is closed in order
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static const uint8_t code_spin[] = { 0xeb, 0xfe };       /* 1: jmp 1b */
static const uint8_t code_hlt[] = { 0xf4, 0xeb, 0xfd };  /* 1: hlt; jmp 1b */
static const uint8_t code_brief[] = { 0xe6, 0x80, 0xf4 }; /* out %al,$0x80; hlt */

static int must(int result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		errx(2, "usage: tinyguest CPU spin|hlt|idle|brief");
	int cpu = atoi(argv[1]);
	const char *mode = argv[2];

	cpu_set_t here;
	CPU_ZERO(&here);
	CPU_SET(cpu, &here);
	must(sched_setaffinity(0, sizeof(here), &here), "sched_setaffinity");

	int kvm = must(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	int vm = must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	const size_t size = 0x2000;
	uint8_t *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		err(1, "mmap");
	if (!strcmp(mode, "hlt"))
		memcpy(memory, code_hlt, sizeof(code_hlt));
	else if (!strcmp(mode, "brief"))
		memcpy(memory, code_brief, sizeof(code_brief));
	else
		memcpy(memory, code_spin, sizeof(code_spin));

	struct kvm_userspace_memory_region region = {
		.guest_phys_addr = 0x8000,
		.memory_size = size,
		.userspace_addr = (uintptr_t)memory,
	};
	must(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
	int vcpu = must(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	struct kvm_run *run = mmap(NULL, must(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "mmap size"),
				   PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		err(1, "mmap of the run page");

	struct kvm_sregs sregs;
	must(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	must(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	/* interrupts on: in Bochs (2.7) an interrupt ends guest mode only where the guest would take it */
	struct kvm_regs regs = { .rip = 0x8000, .rflags = 0x202 };
	must(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");

	printf("lab: guest on CPU %d: %s\n", cpu, mode);
	fflush(stdout);
	if (!strcmp(mode, "idle"))
		for (;;)
			pause();
	do
		must(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
	while (strcmp(mode, "brief"));
	printf("lab: guest on CPU %d: left by exit %u, closed\n", cpu, run->exit_reason);
	return 0;
}
