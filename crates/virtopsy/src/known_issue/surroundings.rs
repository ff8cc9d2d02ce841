//! Traces of other hypervisors and of what a crash kernel finds: read for the issues around them.

use virtopsy_debuginfo::VirtAddr;
use virtopsy_kernel::{Kernel, Result, VmKind, list};

/// Modules of hypervisors that enable VMX or SVM themselves.
const FOREIGN: [&str; 3] = ["vboxdrv", "vmmon", "parallels"];
/// `XEN_PV_DOMAIN`.
const XEN_PV: u32 = 1;
/// `SIF_INITDOMAIN`, of Xen's start_info flags.
const INITIAL_DOMAIN: u32 = 2;
/// More VT-d units than a machine has.
const MAX_UNITS: usize = 1024;
/// `HV_PARTITION_TYPE_ROOT`.
const HV_ROOT: u32 = 1;

/// The first loaded module of another hypervisor.
pub(super) fn foreign_hypervisor(kernel: &Kernel) -> Option<String> {
    let modules = kernel.modules();
    let loaded = FOREIGN.iter().find(|name| modules.get(name).is_some())?;
    Some((*loaded).to_owned())
}

/// What says that the kernel is Xen's domain 0, or Hyper-V's root partition.
///
/// Source: drivers/xen, arch/x86/xen/enlighten.c (`xen_start_flags`), drivers/hv/hv_common.c
/// (`hv_curr_partition_type` since 6.15, `hv_root_partition` since 5.12).
pub(super) fn hypervisor_below(kernel: &Kernel) -> Option<&'static str> {
    let word = |name: &str| kernel.space().u32(kernel.symbol(name).ok()?).ok();
    let byte = |name: &str| kernel.space().u8(kernel.symbol(name).ok()?).ok();
    let initial = word("xen_start_flags").is_some_and(|flags| flags & INITIAL_DOMAIN != 0);
    if initial && word("xen_domain_type").is_some_and(|kind| kind >= XEN_PV) {
        return Some("xen_start_flags says that this is Xen's initial domain");
    }
    if word("hv_curr_partition_type") == Some(HV_ROOT) {
        return Some("hv_curr_partition_type says that this is Hyper-V's root partition");
    }
    (byte("hv_root_partition") == Some(1))
        .then_some("hv_root_partition says that this is Hyper-V's root partition")
}

/// SNP guests that KVM keeps: 0 where the machine has no table of SNP's page owners
/// (`probed_rmp_base`, arch/x86/virt/svm/sev.c, 6.9).
pub(super) fn snp_guests(kernel: &Kernel) -> usize {
    let table = kernel.symbol("probed_rmp_base");
    let has_snp = table
        .and_then(|at| kernel.space().u64(at))
        .is_ok_and(|at| at != 0);
    let Some(list) = has_snp.then(|| kernel.vms().ok()).flatten() else {
        return 0;
    };
    let is_snp = |vm: &&virtopsy_kernel::Vm| vm.kind == Some(VmKind::SevSnp);
    list.vms.iter().filter(is_snp).count()
}

/// A VT-d unit that translates in scalable mode, in a kernel that marks copied entries in the entries
/// themselves: `struct intel_iommu` has no `copied_tables` (6.0). In the unit's registers, as the
/// kernel keeps them: `ecap` bit 43 (SMTS) and `gcmd` bit 31 (TE).
///
/// # Errors
/// Where the kernel has no VT-d, or its units can't be read.
pub(super) fn scalable_mode(kernel: &Kernel) -> Result<bool> {
    if kernel.space().u32(kernel.symbol("intel_iommu_sm")?)? == 0 {
        return Ok(false);
    }
    let unit = |at| kernel.object(at, "struct dmar_drhd_unit");
    let offset = unit(VirtAddr(0))?.field("list")?.address.0;
    let head = kernel.symbol("dmar_drhd_units")?;
    let walk = list::walk(kernel.space(), "dmar_drhd_units", head, MAX_UNITS);
    for link in walk.entries {
        let unit = unit(list::container_of(link, offset))?;
        let Some(iommu) = unit.field("iommu")?.deref()? else {
            continue;
        };
        if iommu.has_field("copied_tables") {
            return Ok(false);
        }
        let (ecap, gcmd) = (iommu.field("ecap")?.u64()?, iommu.field("gcmd")?.u64()?);
        if ecap >> 43 & 1 == 1 && gcmd >> 31 & 1 == 1 {
            return Ok(true);
        }
    }
    Ok(false)
}
