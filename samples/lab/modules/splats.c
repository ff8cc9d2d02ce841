// SPDX-License-Identifier: GPL-2.0
/*
 * splats: misuse locks in the way that `what` names, so that the kernel reports it.
 *
 * Needs a kernel with the checks of kconfig/locks. Reports that switch lockdep off come once in a
 * boot, so each wants a machine of its own. The work is done by a kernel thread, bound to no CPU
 * unless `cpu` says so; where the report is about the task that inserts the module, by that.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rculist.h>
#include <linux/rcupdate.h>
#include <linux/rtmutex.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

static char *what = "circular";
module_param(what, charp, 0);
static int cpu = -1;
module_param(cpu, int, 0);
MODULE_PARM_DESC(cpu, "where the thread is bound to, if anywhere");
static bool stay;
module_param(stay, bool, 0);
MODULE_PARM_DESC(stay, "the thread does not end");

static DEFINE_MUTEX(alpha_lock);
static DEFINE_MUTEX(beta_lock);
static DEFINE_MUTEX(gamma_lock);
static DEFINE_SPINLOCK(plain_lock);
/* raw, as PROVE_RAW_LOCK_NESTING forbids the others in a hard irq */
static DEFINE_RAW_SPINLOCK(irq_lock);
static DEFINE_RAW_SPINLOCK(raw_lock);
static DEFINE_RWLOCK(reader_lock);
static DECLARE_RWSEM(big_sem);
static DEFINE_PER_CPU(int, splats_count);
static LIST_HEAD(splats_list);
static int __rcu *rcu_pointer;

struct holder {
	spinlock_t lock;
	struct mutex mutex;
};

/* the order of two mutexes, each in a function of its own so that the traces differ */
static noinline void alpha_then_beta(void)
{
	mutex_lock(&alpha_lock);
	mutex_lock(&beta_lock);
	mutex_unlock(&beta_lock);
	mutex_unlock(&alpha_lock);
}

static noinline void beta_then_gamma(void)
{
	mutex_lock(&beta_lock);
	mutex_lock(&gamma_lock);
	mutex_unlock(&gamma_lock);
	mutex_unlock(&beta_lock);
}

static noinline void beta_then_alpha(void)
{
	mutex_lock(&beta_lock);
	mutex_lock(&alpha_lock);
	mutex_unlock(&alpha_lock);
	mutex_unlock(&beta_lock);
}

static noinline void gamma_then_alpha(void)
{
	mutex_lock(&gamma_lock);
	mutex_lock(&alpha_lock);
	mutex_unlock(&alpha_lock);
	mutex_unlock(&gamma_lock);
}

static void circular(void)
{
	alpha_then_beta();
	beta_then_alpha();
}

static void circular_of_three(void)
{
	alpha_then_beta();
	beta_then_gamma();
	gamma_then_alpha();
}

static void readers_and_a_mutex(void)
{
	down_read(&big_sem);
	mutex_lock(&alpha_lock);
	mutex_unlock(&alpha_lock);
	up_read(&big_sem);
	mutex_lock(&alpha_lock);
	down_write(&big_sem);
	up_write(&big_sem);
	mutex_unlock(&alpha_lock);
}

static noinline struct mutex *one_of(int n)
{
	static struct mutex pair[2];
	int i;

	if (!n)
		for (i = 0; i < 2; i++)
			mutex_init(&pair[i]);
	return &pair[n];
}

static void recursive(void)
{
	struct mutex *first = one_of(0), *second = one_of(1);

	mutex_lock(first);
	mutex_lock(second);
	mutex_unlock(second);
	mutex_unlock(first);
}

static void take_in_irq(void *unused)
{
	raw_spin_lock(&irq_lock);
	raw_spin_unlock(&irq_lock);
}

/* the lock is seen in a hard irq */
static void make_irq_safe(void)
{
	smp_call_function_single(raw_smp_processor_id() ? 0 : 1, take_in_irq, NULL, 1);
}

/* and this one with irqs on */
static void make_irq_unsafe(void)
{
	raw_spin_lock(&raw_lock);
	raw_spin_unlock(&raw_lock);
}

static noinline void raw_under_irq_lock(void)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&irq_lock, flags);
	raw_spin_lock(&raw_lock);
	raw_spin_unlock(&raw_lock);
	raw_spin_unlock_irqrestore(&irq_lock, flags);
}

static void irq_order(void)
{
	make_irq_safe();
	make_irq_unsafe();
	raw_under_irq_lock();
}

static void irq_inversion(void)
{
	make_irq_unsafe();
	raw_under_irq_lock();
	make_irq_safe();
}

static void inconsistent(void)
{
	make_irq_safe();
	raw_spin_lock(&irq_lock);
	raw_spin_unlock(&irq_lock);
}

static void take_in_softirq(struct tasklet_struct *unused)
{
	spin_lock(&plain_lock);
	spin_unlock(&plain_lock);
}

static DECLARE_TASKLET(splats_tasklet, take_in_softirq);

static void inconsistent_softirq(void)
{
	spin_lock(&plain_lock);
	spin_unlock(&plain_lock);
	tasklet_schedule(&splats_tasklet);
	msleep(50);
}

static void wait_context(void)
{
	raw_spin_lock(&raw_lock);
	spin_lock(&plain_lock);
	spin_unlock(&plain_lock);
	raw_spin_unlock(&raw_lock);
}

static void nested_not_held(void)
{
	mutex_lock_nest_lock(&beta_lock, &alpha_lock);
	mutex_unlock(&beta_lock);
}

static void unlock_balance(void)
{
	mutex_lock(&beta_lock);
	up_read(&big_sem);
	mutex_unlock(&beta_lock);
}

static void contention(void)
{
	mutex_lock(&beta_lock);
	lock_contended(&alpha_lock.dep_map, _RET_IP_);
	mutex_unlock(&beta_lock);
}

static void held_freed(void)
{
	struct holder *holder = kmalloc(sizeof(*holder), GFP_KERNEL);

	spin_lock_init(&holder->lock);
	spin_lock(&holder->lock);
	kfree(holder);
	preempt_enable();
}

static void still_held(void)
{
	mutex_lock(&alpha_lock);
	down_read(&big_sem);
}

static void suspicious_rcu(void)
{
	pr_info("splats: %p\n", rcu_dereference(rcu_pointer));
}

static void suspicious_rcu_list(void)
{
	struct holder_of_list { struct list_head list; } *entry;

	mutex_lock(&alpha_lock);
	list_for_each_entry_rcu(entry, &splats_list, list)
		break;
	mutex_unlock(&alpha_lock);
}

static void non_static_key(void)
{
	struct holder *holder = kzalloc(sizeof(*holder), GFP_KERNEL);

	spin_lock(&holder->lock);
	spin_unlock(&holder->lock);
}

static void unregistered_key(void)
{
	struct lock_class_key *key = kzalloc(sizeof(*key), GFP_KERNEL);
	struct holder *holder = kzalloc(sizeof(*holder), GFP_KERNEL);

	__mutex_init(&holder->mutex, "&holder->mutex", key);
	mutex_lock(&holder->mutex);
	mutex_unlock(&holder->mutex);
}

static void invalid_subclass(void)
{
	struct holder *holder = kzalloc(sizeof(*holder), GFP_KERNEL);

	mutex_init(&holder->mutex);
	lockdep_set_subclass(&holder->mutex, MAX_LOCKDEP_SUBCLASSES + 1);
}

static void depth_limit(void)
{
	int i;

	for (i = 0; i < 50; i++)
		rcu_read_lock();
	for (i = 0; i < 50; i++)
		rcu_read_unlock();
}

static void keys_limit(void)
{
	struct lock_class_key *keys = kcalloc(9000, sizeof(*keys), GFP_KERNEL);
	struct holder *holder = kzalloc(sizeof(*holder), GFP_KERNEL);
	int i;

	for (i = 0; i < 9000; i++) {
		lockdep_register_key(&keys[i]);
		__mutex_init(&holder->mutex, "&holder->mutex", &keys[i]);
		mutex_lock(&holder->mutex);
		mutex_unlock(&holder->mutex);
	}
}

static void debug_locks_warn(void)
{
	struct holder *holder = kzalloc(sizeof(*holder), GFP_KERNEL);

	mutex_init(&holder->mutex);
	mutex_lock(&holder->mutex);
	mutex_destroy(&holder->mutex);
}

static void lockdep_warn(void)
{
	static struct lock_class_key key;
	static struct mutex pair[2];

	__mutex_init(&pair[0], "first name", &key);
	__mutex_init(&pair[1], "second name", &key);
	mutex_lock(&pair[0]);
	mutex_unlock(&pair[0]);
	mutex_lock(&pair[1]);
	mutex_unlock(&pair[1]);
}

static void not_held(void)
{
	lockdep_assert_held(&alpha_lock);
}

static void rwsem_warn(void)
{
	static struct rw_semaphore sem;

	init_rwsem(&sem);
	down_read(&sem);
	sem.magic = NULL;
	up_read(&sem);
}

static void rtmutex_warn(void)
{
	static DEFINE_RT_MUTEX(mutex);

	lockdep_off();
	rt_mutex_lock(&mutex);
	rt_mutex_lock(&mutex);
}

static void irqflags_warn(void)
{
	unsigned long flags;

	local_irq_save(flags);
	local_irq_enable();
	local_irq_restore(flags);
}

static void atomic_sleep(void)
{
	spin_lock(&plain_lock);
	might_sleep();
	spin_unlock(&plain_lock);
}

static void nonrunning_sleep(void)
{
	set_current_state(TASK_INTERRUPTIBLE);
	mutex_lock(&alpha_lock);
	mutex_unlock(&alpha_lock);
	__set_current_state(TASK_RUNNING);
}

static void atomic_sched(void)
{
	spin_lock(&plain_lock);
	schedule();
	spin_unlock(&plain_lock);
}

static void cant_sleep_here(void)
{
	msleep(1100);	/* such reports come once in a second */
	cant_sleep();
}

static void cant_migrate_here(void)
{
	msleep(1100);
	cant_migrate();
}

static noinline void leaky_work(struct work_struct *unused)
{
	mutex_lock(&alpha_lock);
}

static DECLARE_WORK(splats_work, leaky_work);

static void workqueue_leak(void)
{
	schedule_work(&splats_work);
	flush_work(&splats_work);
}

static void spinlock_bad_magic(void)
{
	static DEFINE_RAW_SPINLOCK(lock);

	lock.magic = 0x12345678;
	raw_spin_lock(&lock);
	raw_spin_unlock(&lock);
}

static void spinlock_already_unlocked(void)
{
	lockdep_off();
	spin_unlock(&plain_lock);
	lockdep_on();
	preempt_disable();
}

static void rwlock_bad_magic(void)
{
	reader_lock.magic = 0;
	read_lock(&reader_lock);
	read_unlock(&reader_lock);
}

static void preemptible_percpu(void)
{
	pr_info("splats: CPU %d\n", smp_processor_id());
}

static void preemptible_percpu_add(void)
{
	__this_cpu_inc(splats_count);
}

static void rcu_voluntary_switch(void)
{
	rcu_read_lock();
	schedule_timeout_uninterruptible(1);
	rcu_read_unlock();
}

/* for debug_show_all_locks() and the hung task detector */
static int hold_and_sleep(void *unused)
{
	mutex_lock(&alpha_lock);
	down_read(&big_sem);
	set_current_state(TASK_IDLE);
	schedule();
	return 0;
}

static int wait_for_it(void *unused)
{
	mutex_lock(&alpha_lock);
	mutex_unlock(&alpha_lock);
	return 0;
}

static int wait_for_sem(void *unused)
{
	down_write(&big_sem);
	up_write(&big_sem);
	return 0;
}

static void hung(void)
{
	kthread_run(hold_and_sleep, NULL, "splats holder");
	msleep(50);
	kthread_run(wait_for_it, NULL, "splats/waiter");
	kthread_run(wait_for_sem, NULL, "splats:writer");
}

static const struct misuse {
	const char *name;
	void (*run)(void);
} misuses[] = {
	{ "circular", circular },
	{ "circular-three", circular_of_three },
	{ "circular-rwsem", readers_and_a_mutex },
	{ "recursive", recursive },
	{ "irq-order", irq_order },
	{ "irq-inversion", irq_inversion },
	{ "inconsistent-state", inconsistent },
	{ "inconsistent-state-softirq", inconsistent_softirq },
	{ "invalid-wait-context", wait_context },
	{ "nested-not-held", nested_not_held },
	{ "bad-unlock-balance", unlock_balance },
	{ "bad-contention", contention },
	{ "held-lock-freed", held_freed },
	{ "still-has-locks", still_held },
	{ "suspicious-rcu", suspicious_rcu },
	{ "suspicious-rcu-list", suspicious_rcu_list },
	{ "non-static-key", non_static_key },
	{ "unregistered-key", unregistered_key },
	{ "invalid-subclass", invalid_subclass },
	{ "lockdep-limit", depth_limit },
	{ "lockdep-limit-keys", keys_limit },
	{ "debug-locks-warn", debug_locks_warn },
	{ "lockdep-warn", lockdep_warn },
	{ "lockdep-assert", not_held },
	{ "rwsem-warn", rwsem_warn },
	{ "rtmutex-warn", rtmutex_warn },
	{ "irqflags-warn", irqflags_warn },
	{ "atomic-sleep", atomic_sleep },
	{ "nonrunning-sleep", nonrunning_sleep },
	{ "atomic-sched", atomic_sched },
	{ "cant-sleep", cant_sleep_here },
	{ "cant-migrate", cant_migrate_here },
	{ "workqueue-leak", workqueue_leak },
	{ "spinlock-debug", spinlock_bad_magic },
	{ "spinlock-debug-unlocked", spinlock_already_unlocked },
	{ "rwlock-debug", rwlock_bad_magic },
	{ "preemptible-percpu", preemptible_percpu },
	{ "preemptible-percpu-add", preemptible_percpu_add },
	{ "rcu-voluntary-switch", rcu_voluntary_switch },
	{ "hung", hung },
};

static int misuse(void *data)
{
	const struct misuse *one = data;

	one->run();
	pr_info("lab: misused %s\n", one->name);
	/* so that the dump has the task, and the locks that lockdep wrote down for it */
	if (stay)
		schedule_timeout_idle(MAX_SCHEDULE_TIMEOUT);
	return 0;
}

static int __init splats_init(void)
{
	struct task_struct *task;
	int i;

	if (!strcmp(what, "user-return-locks")) {
		mutex_lock(&alpha_lock);
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(misuses); i++) {
		if (strcmp(what, misuses[i].name))
			continue;
		/* a name as a task may have it: with a slash, a blank and a colon */
		task = kthread_create(misuse, (void *)&misuses[i], "lab: a/b %d", i);
		if (IS_ERR(task))
			return PTR_ERR(task);
		if (cpu >= 0)
			kthread_bind(task, cpu);
		wake_up_process(task);
		return 0;
	}
	pr_err("splats: no misuse is called %s\n", what);
	return -EINVAL;
}

module_init(splats_init);
MODULE_DESCRIPTION("lab: misused locks");
MODULE_LICENSE("GPL");
