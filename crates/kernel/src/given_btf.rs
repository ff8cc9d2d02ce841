//! BTF that the user gave (`--btf`), held against the dump.
//!
//! It names no build-id, and types of another kernel would read something else everywhere. So it has
//! to agree with all that is known of the kernel's layout without it:
//!
//! ```text
//!  VMCOREINFO   SIZE(page)=64  OFFSET(list_head.next)=0  LENGTH(zone.free_area)=11
//!  memory       init_task: comm is "swapper", the list of tasks closes, leader and parent are itself,
//!               signal, sighand, nsproxy point to init_signals, init_sighand, init_nsproxy
//!               the first module: mkobj.mod points back to it
//! ```
//! One contradiction refuses it, and so does having nothing to compare.

use virtopsy_debuginfo::{BtfFiles, ReadFiles, Type, TypeSource, TypeSourceExt as _, VirtAddr};
use virtopsy_vmcore::VmcoreInfo;

use crate::error::{Error, Result};
use crate::list;
use crate::object::{Object, TypeRef};
use crate::options::{KernelOptions, TypesChoice};
use crate::parts::Parts;

/// Pointers of `init_task` that the kernel is built with and keeps: the member, and what it points to.
const INIT_TASK: [(&str, &str); 5] = [
    ("real_parent", "init_task"),
    ("group_leader", "init_task"),
    ("signal", "init_signals"),
    ("sighand", "init_sighand"),
    ("nsproxy", "init_nsproxy"),
];

/// The BTF that the user named. `Ok(None)`: none was.
///
/// # Errors
/// [`Error::File`] where it can't be read, or types were asked of DWARF only.
pub(crate) fn open(options: &KernelOptions) -> Result<Option<BtfFiles>> {
    let Some(path) = &options.btf else {
        return Ok(None);
    };
    let wrong = |why: String| Error::File {
        path: path.display().to_string(),
        why,
    };
    if options.types == TypesChoice::Dwarf {
        return Err(wrong(
            "it holds BTF, and types were asked of DWARF only: leave out --btf or --types dwarf"
                .into(),
        ));
    }
    let files = BtfFiles::open(path, &ReadFiles).map_err(|e| wrong(e.to_string()))?;
    Ok(Some(files))
}

/// What was compared.
#[derive(Default)]
struct Comparison {
    agreed: usize,
    /// What the dump says and what the BTF says, for the first few that differ.
    differ: Vec<String>,
}

impl Comparison {
    fn note(&mut self, same: bool, difference: impl FnOnce() -> String) {
        if same {
            self.agreed += 1;
        } else {
            self.differ.push(difference());
        }
    }
}

/// Holds the BTF against the dump.
///
/// # Errors
/// [`Error::WrongBtf`] where it contradicts the dump, or nothing could be compared.
pub(crate) fn hold(parts: &mut Parts, given: &BtfFiles) -> Result<()> {
    let mut compared = Comparison::default();
    let types: std::sync::Arc<dyn TypeSource> = given.kernel().clone();
    let refused = |why: String| Error::WrongBtf {
        path: given.path().display().to_string(),
        why,
    };
    with_vmcoreinfo(&parts.vmcoreinfo, &*types, &mut compared)
        .map_err(|e| refused(e.to_string()))?;
    // The memory only has a say where the text has none against it.
    if compared.differ.is_empty() {
        with_memory(parts, &types, &mut compared).map_err(|e| refused(e.to_string()))?;
    }
    if !compared.differ.is_empty() {
        const TOLD: usize = 3;
        let more = compared.differ.len().saturating_sub(TOLD);
        compared.differ.truncate(TOLD);
        let mut why = compared.differ.join("; ");
        if more > 0 {
            why += &format!("; and {more} more");
        }
        return Err(refused(why));
    }
    if compared.agreed == 0 {
        return Err(refused(
            "the dump has nothing to hold it against: no SIZE, OFFSET or LENGTH in VMCOREINFO, and \
             init_task can't be read"
                .into(),
        ));
    }
    parts.notes.push(format!(
        "types are those of {}, which names no build-id; it agrees with the dump in {} places",
        given.path().display(),
        compared.agreed
    ));
    Ok(())
}

/// Every SIZE, OFFSET and LENGTH that the types can answer.
fn with_vmcoreinfo(
    info: &VmcoreInfo,
    types: &dyn TypeSource,
    compared: &mut Comparison,
) -> Result<()> {
    for (key, value) in info.entries() {
        let Some((kind, name)) = key.strip_suffix(')').and_then(|key| key.split_once('(')) else {
            continue;
        };
        let Ok(told) = value.trim().parse::<u64>() else {
            continue;
        };
        let (structure, member) = match name.split_once('.') {
            Some((structure, member)) => (structure, Some(member)),
            None => (name, None),
        };
        // What the types don't know can't be compared: an archive may leave structures out.
        let Ok(id) = types.struct_named(structure) else {
            continue;
        };
        let answer = match (kind, member) {
            ("SIZE", None) => types.size_of(id).map(Some),
            ("OFFSET", Some(member)) => {
                types.member_path(id, member).map(|p| Some(p.byte_offset()))
            }
            ("LENGTH", Some(member)) => types
                .member_path(id, member)
                .and_then(|place| types.resolve(place.type_id))
                .map(|(_, ty)| match ty {
                    Type::Array { count, .. } => Some(count.unwrap_or(0)),
                    _ => None,
                }),
            _ => continue,
        };
        match answer {
            Ok(found) => compared.note(found == Some(told), || {
                let found = found.map_or("no array".to_owned(), |found| found.to_string());
                format!("VMCOREINFO says {key}={told}, the BTF {found}")
            }),
            // The kernel computed an offset: its structure has that member.
            Err(e @ virtopsy_debuginfo::Error::NoSuchMember { .. }) => {
                compared.note(false, || {
                    format!("VMCOREINFO says {key}={told}, the BTF: {e}")
                });
            }
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

/// The shape of what every kernel has in memory. What is not in the dump can't be compared.
fn with_memory(
    parts: &Parts,
    types: &std::sync::Arc<dyn TypeSource>,
    compared: &mut Comparison,
) -> Result<()> {
    let Ok(symbols) = &parts.symbols else {
        return Ok(());
    };
    let symbol = |name: &str| symbols.get(name).map(|symbol| symbol.address);
    let object = |at: VirtAddr, name: &str| -> Result<Object<'_>> {
        let source = types.clone();
        let id = source.struct_named(name)?;
        Ok(Object::new(&parts.space, at, TypeRef { source, id }))
    };
    if let Some(at) = symbol("init_task") {
        let task = object(at, "task_struct")?;
        if let Ok(comm) = task.field("comm")?.string() {
            let shown = String::from_utf8_lossy(&comm).escape_debug().to_string();
            compared.note(comm.starts_with(b"swapper"), || {
                format!("where the BTF has init_task.comm stands \"{shown}\", not \"swapper\"")
            });
        }
        closes(&task.field("tasks")?, "init_task.tasks", compared);
        for (member, wanted) in INIT_TASK {
            if let Some(wanted_at) = symbol(wanted) {
                points(&task, "init_task", member, (wanted, wanted_at), compared);
            }
        }
    }
    if let Some(head) = symbol("modules")
        && let Ok(first) = parts.space.pointer(head)
        && first != head
    {
        let offset = object(head, "module")?.field("list")?.address.0 - head.0;
        let at = list::container_of(first, offset);
        if let Ok(module) = object(at, "module") {
            points(
                &module,
                "the first module",
                "mkobj.mod",
                ("itself", at),
                compared,
            );
        }
    }
    Ok(())
}

/// Whether the neighbours of a list's head point back to it.
fn closes(head: &Object<'_>, what: &str, compared: &mut Comparison) {
    let at = head.address;
    let link = |at: VirtAddr| head.space().pointer(at);
    let back = link(at).and_then(|next| link(VirtAddr(next.0.wrapping_add(8))));
    let forth = link(VirtAddr(at.0.wrapping_add(8))).and_then(link);
    for (way, found) in [("next->prev", back), ("prev->next", forth)] {
        if let Ok(found) = found {
            compared.note(found == at, || {
                format!("where the BTF has {what}, {way} is {found}, not {at} itself")
            });
        }
    }
}

/// Whether a member points to where it must.
fn points(
    object: &Object<'_>,
    what: &str,
    member: &str,
    (wanted, wanted_at): (&str, VirtAddr),
    compared: &mut Comparison,
) {
    let Ok(found) = object.field(member).and_then(|field| field.pointer()) else {
        return;
    };
    compared.note(found == wanted_at, || {
        format!("where the BTF has {member} of {what} stands {found}, not {wanted} ({wanted_at})")
    });
}
