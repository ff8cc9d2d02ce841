// SPDX-License-Identifier: GPL-2.0
/*
 * foreign: a hypervisor that is not KVM, as far as the hardware sees it.
 *
 * Sets EFER.SVME on the CPUs of `mask`, as other vendors' modules do while their machines run,
 * and tells nobody: no counter of KVM's moves, no emergency callback is registered.
 */
#include <linux/module.h>
#include <linux/smp.h>
#include <asm/msr.h>

#ifndef rdmsrl /* 6.16 renamed them */
#define rdmsrl rdmsrq
#define wrmsrl wrmsrq
#endif

static unsigned int mask = 0xf;
module_param(mask, uint, 0);

static void foreign_enable(void *unused)
{
	u64 efer;

	if (!(mask & (1u << raw_smp_processor_id())))
		return;
	rdmsrl(MSR_EFER, efer);
	wrmsrl(MSR_EFER, efer | EFER_SVME);
}

static int __init foreign_init(void)
{
	on_each_cpu(foreign_enable, NULL, 1);
	return 0;
}

static void __exit foreign_exit(void)
{
}

module_init(foreign_init);
module_exit(foreign_exit);
MODULE_DESCRIPTION("lab: SVM switched on by something that is not KVM");
MODULE_LICENSE("GPL");
