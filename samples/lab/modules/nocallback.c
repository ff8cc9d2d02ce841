// SPDX-License-Identifier: GPL-2.0
/*
 * nocallback: take the emergency callback away behind KVM's back.
 *
 * What a bug in its registration would leave: virtualization in use, and a NULL pointer where the
 * crash path looks for the function that ends it. `variable` names the pointer.
 */
#include <linux/kprobes.h>
#include <linux/module.h>

static char *variable = "cpu_emergency_virt_callback";
module_param(variable, charp, 0);

static int __init nocallback_init(void)
{
	struct kprobe finder = { .symbol_name = "kallsyms_lookup_name" };
	unsigned long (*lookup)(const char *name);
	void **pointer;
	int error = register_kprobe(&finder);

	if (error)
		return error;
	/* a probed address can lie behind the function's endbr64, which a call may skip */
	lookup = (void *)finder.addr;
	unregister_kprobe(&finder);
	pointer = (void **)lookup(variable);
	if (!pointer)
		return -ENOENT;
	pr_info("lab: %s was %px\n", variable, *pointer);
	WRITE_ONCE(*pointer, NULL);
	return 0;
}

static void __exit nocallback_exit(void)
{
}

module_init(nocallback_init);
module_exit(nocallback_exit);
MODULE_DESCRIPTION("lab: KVM in use without an emergency callback");
MODULE_LICENSE("GPL");
