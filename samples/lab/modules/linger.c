// SPDX-License-Identifier: GPL-2.0
/*
 * linger: make a module stay in its exit function.
 *
 * A probe at the start (or, with after=1, the end) of `symbol` turns the CPU that comes by in
 * a loop, so that the machine can be made to die while a module that is being unloaded stands
 * there: state GOING, its callback registered or already not.
 */
#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/module.h>

static char *symbol = "svm_exit";
module_param(symbol, charp, 0);
static bool after;
module_param(after, bool, 0);

static void stay(void)
{
	pr_emerg("lab: lingering in %s\n", symbol);
	for (;;)
		mdelay(1);
}

static int linger_before(struct kprobe *probe, struct pt_regs *regs)
{
	stay();
	return 0;
}

static int linger_after(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	stay();
	return 0;
}

static struct kprobe before_probe = { .pre_handler = linger_before };
static struct kretprobe after_probe = { .handler = linger_after };

static int __init linger_init(void)
{
	before_probe.symbol_name = symbol;
	after_probe.kp.symbol_name = symbol;
	return after ? register_kretprobe(&after_probe) : register_kprobe(&before_probe);
}

module_init(linger_init);
MODULE_DESCRIPTION("lab: a module that lingers in its exit function");
MODULE_LICENSE("GPL");
