//! BTF of a module, from the dump's memory.
//!
//! The kernel keeps a copy of its own for each module on `btf_modules` (5.11,
//! kernel/bpf/btf.c): already relocated onto the kernel's BTF where the module carried a distilled
//! base (6.11). The module's own sections, `mod->btf_data` and `mod->btf_base_data`, stand as the
//! file had them, and are gone after init in newer kernels.

use std::sync::Arc;

use virtopsy_debuginfo::{Btf, FileBytes, TypeSource, TypeSourceExt as _};

use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::list;
use crate::module::Module;
use crate::object::Object;
use crate::tables::{MAX_BTF, TypesOrigin, remembered};

/// More modules with BTF than any machine loads.
const MAX_ENTRIES: usize = 16384;

/// A module's BTF, and the distilled base that it was made against.
type Sections = (FileBytes, Option<FileBytes>);

/// A module's types.
pub(crate) fn load(kernel: &Kernel, module: &Module) -> Result<Arc<dyn TypeSource>> {
    let not_btf = || Error::NoTypes {
        why: "the kernel's own types are not BTF".into(),
    };
    if !matches!(
        kernel.types_origin(),
        Some(TypesOrigin::Btf | TypesOrigin::BtfInDump)
    ) {
        return Err(not_btf());
    }
    if let Some(given) = &kernel.parts.given_btf {
        let own = given.module(&module.name)?;
        let own = own.ok_or_else(|| Error::NoTypes {
            why: format!(
                "{} has none of module {}",
                given.path().display(),
                module.name
            ),
        })?;
        return Ok(remembered(Arc::new(own)));
    }
    let (bytes, distilled) = match kernels_copy(kernel, module)? {
        Some(bytes) => (bytes, None),
        None => own_sections(kernel, module)?,
    };
    let base = kernel.parts.tables.own_btf();
    let base = base.ok_or_else(not_btf)?;
    Ok(remembered(Arc::new(match distilled {
        Some(distilled) => Btf::parse_distilled(bytes, distilled, base)?,
        None => Btf::parse(bytes, Some(base))?,
    })))
}

/// `btf->data` of the module's entry in `btf_modules`.
fn kernels_copy(kernel: &Kernel, module: &Module) -> Result<Option<FileBytes>> {
    let Ok(head) = kernel.symbol("btf_modules") else {
        return Ok(None);
    };
    let Ok(entry_type) = kernel.type_named("struct btf_module") else {
        return Ok(None);
    };
    let link = entry_type
        .source
        .member_path(entry_type.id, "list")?
        .bit_offset
        / 8;
    for at in list::walk(kernel.space(), "btf_modules", head, MAX_ENTRIES).entries {
        let entry = Object::new(
            kernel.space(),
            list::container_of(at, link),
            entry_type.clone(),
        );
        if entry.field("module")?.pointer()? != module.address {
            continue;
        }
        let Some(btf) = entry.field("btf")?.deref()? else {
            continue;
        };
        return section(
            kernel,
            btf.field("data")?.pointer()?,
            btf.field("data_size")?.u64()?,
        );
    }
    Ok(None)
}

fn own_sections(kernel: &Kernel, module: &Module) -> Result<Sections> {
    let object = kernel.object(module.address, "struct module")?;
    let named = |name: &str| -> Result<Option<FileBytes>> {
        match object.field(&format!("{name}_size")) {
            Err(e) if e.is_absent() => Ok(None),
            size => section(kernel, object.field(name)?.pointer()?, size?.u64()?),
        }
    };
    let Some(bytes) = named("btf_data")? else {
        return Err(Error::NoTypes {
            why: "it has none".into(),
        });
    };
    Ok((bytes, named("btf_base_data")?))
}

fn section(
    kernel: &Kernel,
    at: virtopsy_debuginfo::VirtAddr,
    len: u64,
) -> Result<Option<FileBytes>> {
    if at.0 == 0 || len == 0 || len > MAX_BTF {
        return Ok(None);
    }
    Ok(Some(FileBytes::from(kernel.space().long(at, len)?)))
}
