// SPDX-License-Identifier: GPL-2.0
/*
 * heldcpu: keep one CPU out of reach of the crash NMI, then panic on another.
 *
 * how=nmi   the CPU stands inside an NMI handler: further NMIs wait until it returns
 * how=gif   AMD: the CPU loops with the global interrupt flag clear
 * how=irq   the CPU loops with interrupts off: NMIs reach it, the REBOOT vector does not
 * for_ms    how=nmi: give up after so long, and answer late; 0 is never
 */
#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/smp.h>
#include <asm/apic.h>
#include <asm/nmi.h>

static int cpu = 2;
module_param(cpu, int, 0);
static char *how = "nmi";
module_param(how, charp, 0);
static unsigned int for_ms;
module_param(for_ms, uint, 0);

static bool wanted;

static void wait_here(void)
{
	unsigned int passed;

	for (passed = 0; !for_ms || passed < for_ms; passed++)
		mdelay(1);
}

static int heldcpu_nmi(unsigned int type, struct pt_regs *regs)
{
	if (!READ_ONCE(wanted) || raw_smp_processor_id() != cpu)
		return NMI_DONE;
	WRITE_ONCE(wanted, false);
	wait_here();
	return NMI_HANDLED;
}

static void heldcpu_ipi(void *unused)
{
	local_irq_disable();
	if (!strcmp(how, "gif"))
		asm volatile("clgi");
	for (;;)
		cpu_relax();
}

static int __init heldcpu_init(void)
{
	int error;

	if (cpu == raw_smp_processor_id())
		return -EINVAL;
	if (strcmp(how, "nmi")) {
		error = smp_call_function_single(cpu, heldcpu_ipi, NULL, 0);
	} else {
		error = register_nmi_handler(NMI_LOCAL, heldcpu_nmi, 0, "heldcpu");
		if (!error) {
			WRITE_ONCE(wanted, true);
			apic->send_IPI(cpu, NMI_VECTOR);
		}
	}
	if (error)
		return error;
	mdelay(200);
	panic("heldcpu: CPU %d is held (%s)", cpu, how);
}

module_init(heldcpu_init);
MODULE_DESCRIPTION("lab: a CPU that does not take the crash NMI");
MODULE_LICENSE("GPL");
