//! Types of global variables that BTF does not know: it describes per-CPU variables of the kernel
//! only. Where debug files with DWARF are at hand they are asked first.
//!
//! A name can be here more than once: the type is then chosen by the size of the symbol, where that
//! is known, else the newest. `[]` marks an array; its length is the symbol's size, where that is
//! known.
//! Source: the kernel file where each variable is defined.

/// Variable, type, newest first.
pub(super) const GLOBALS: &[(&str, &str)] = &[
    ("init_task", "struct task_struct"), // init/init_task.c
    ("init_mm", "struct mm_struct"),
    ("init_pid_ns", "struct pid_namespace"),
    ("init_nsproxy", "struct nsproxy"),
    ("init_cred", "struct cred"),
    ("init_uts_ns", "struct uts_namespace"),
    ("init_css_set", "struct css_set"),
    ("init_user_ns", "struct user_namespace"),
    ("modules", "struct list_head"),         // kernel/module/main.c
    ("boot_cpu_data", "struct cpuinfo_x86"), // arch/x86/kernel/setup.c
    ("boot_params", "struct boot_params"),
    ("crashing_cpu", "int"), // arch/x86/kernel/reboot.c
    ("crash_ipi_issued", "int"),
    ("waiting_for_crash_ipi", "atomic_t"),
    ("stopping_cpu", "atomic_t"),
    ("panic_cpu", "atomic_t"), // kernel/panic.c
    ("panic_timeout", "int"),
    ("panic_on_oops", "int"),
    ("oops_in_progress", "int"),
    ("kexec_crash_image", "struct kimage *"), // kernel/kexec_core.c
    ("kexec_image", "struct kimage *"),
    ("__kexec_lock", "atomic_t"),
    ("crashk_res", "struct resource"),
    ("iomem_resource", "struct resource"),
    ("crash_notes", "void *"),
    ("kvm_emergency_callback", "void *"), // arch/x86/virt/hw.c, 7.1
    ("cpu_emergency_virt_callback", "void *"), // arch/x86/kernel/reboot.c, 6.6
    ("crash_vmclear_loaded_vmcss", "void *"), // the same, until 6.5
    ("kvm_rebooting", "bool"),            // virt/kvm/kvm_main.c
    ("virt_ops", "struct x86_virt_ops"),
    ("vm_list", "struct list_head"),
    ("kvm_lock", "struct mutex"),
    ("kvm_usage_count", "int"),
    ("kvm_x86_ops", "struct kvm_x86_ops"), // arch/x86/kvm/x86.c; a pointer until 5.6
    ("kvm_x86_ops", "struct kvm_x86_ops *"),
    ("kvm_caps", "struct kvm_caps"),
    ("kvm_host", "struct kvm_host_values"),
    ("svm_data", "struct svm_cpu_data"), // arch/x86/kvm/svm/svm.c; a pointer until 6.1
    ("svm_data", "struct svm_cpu_data *"),
    ("kvm_running_vcpu", "struct kvm_vcpu *"),
    ("current_vmcs", "struct vmcs *"), // arch/x86/kvm/vmx/vmx.c
    ("vmxarea", "struct vmcs *"),
    ("loaded_vmcss_on_cpu", "struct list_head"),
    ("debug_locks", "int"), // lib/debug_locks.c
    ("debug_locks_silent", "int"),
    ("lock_classes", "struct lock_class[]"), // kernel/locking/lockdep.c
    ("nr_lock_classes", "unsigned long"),
    ("nr_list_entries", "unsigned long"),
    ("rcu_scheduler_active", "int"),
    ("rcu_state", "struct rcu_state"), // kernel/rcu/tree.c
    ("nr_cpu_ids", "unsigned int"),
    ("__cpu_possible_mask", "struct cpumask"), // kernel/cpu.c
    ("__cpu_present_mask", "struct cpumask"),
    ("__cpu_online_mask", "struct cpumask"),
    ("__cpu_active_mask", "struct cpumask"),
    ("__num_online_cpus", "atomic_t"),
    ("nr_threads", "int"), // kernel/fork.c
    ("jiffies", "unsigned long"),
    ("jiffies_64", "u64"),
    ("system_state", "unsigned int"),
    ("tainted_mask", "unsigned long"),
    ("root_task_group", "struct task_group"),
    ("super_blocks", "struct list_head"),
    ("prb", "struct printk_ringbuffer *"), // kernel/printk/printk.c
    ("printk_rb_static", "struct printk_ringbuffer"),
    ("log_buf", "char *"),
    ("log_buf_len", "unsigned int"),
    ("saved_command_line", "char *"),
    ("linux_banner", "char[]"),
    ("x86_hyper_type", "unsigned int"),
    ("sev_status", "u64"),
    ("sme_me_mask", "u64"),
    ("physical_mask", "u64"),
    ("page_offset_base", "unsigned long"),
    ("vmemmap_base", "unsigned long"),
    ("vmalloc_base", "unsigned long"),
    ("phys_base", "unsigned long"),
];
