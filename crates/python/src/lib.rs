//! virtopsy for Python: a thin layer that hands reports over as JSON, which the Python side makes
//! into objects. All work is done without the interpreter's lock.

use std::path::PathBuf;

use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use serde::Serialize;
use virtopsy::report::{CheckVerdict, DumpReport, SCHEMA};
use virtopsy::{CheckId, DumpSpec, Options, Session, TypesChoice};

create_exception!(
    virtopsy,
    Error,
    PyException,
    "A dump cannot be opened or read. `kind` is a stable word, `message` says what was found where."
);

fn error(error: virtopsy::Error) -> PyErr {
    let (kind, message) = (error.kind(), error.message());
    Python::attach(|py| {
        let raised = Error::new_err((format!("{kind}: {message}"),));
        let value = raised.value(py);
        // An exception of our own takes attributes.
        let _ = value.setattr("kind", kind);
        let _ = value.setattr("message", message);
        raised
    })
}

fn json(value: &impl Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|e| PyValueError::new_err(e.to_string()))
}

/// How to open a dump, as Python says it.
fn options(
    vmlinux: Option<PathBuf>,
    btf: Option<PathBuf>,
    debug_dirs: Vec<PathBuf>,
    types: &str,
    force_vmlinux: bool,
) -> PyResult<Options> {
    let mut options = Options::default();
    options.kernel.vmlinux = vmlinux;
    options.kernel.btf = btf;
    options.kernel.debug_dirs = debug_dirs;
    options.kernel.force_vmlinux = force_vmlinux;
    options.kernel.types = match types {
        "auto" => TypesChoice::Auto,
        "btf" => TypesChoice::Btf,
        "dwarf" => TypesChoice::Dwarf,
        other => {
            let message = format!("types is 'auto', 'btf' or 'dwarf', not {other:?}");
            return Err(PyValueError::new_err(message));
        }
    };
    Ok(options)
}

/// A dump that has been opened.
#[pyclass(frozen, module = "virtopsy._virtopsy")]
struct OpenDump {
    session: Session,
}

#[pymethods]
impl OpenDump {
    fn report(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| json(&self.session.report()))
    }

    fn log(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| {
            let log = self.session.log().map_err(error)?;
            json(&log.records)
        })
    }

    fn tasks(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| json(&self.session.tasks().map_err(error)?))
    }
}

/// Opens a dump.
#[pyfunction]
fn open(
    py: Python<'_>,
    paths: Vec<PathBuf>,
    vmlinux: Option<PathBuf>,
    btf: Option<PathBuf>,
    debug_dirs: Vec<PathBuf>,
    types: &str,
    force_vmlinux: bool,
) -> PyResult<OpenDump> {
    let options = options(vmlinux, btf, debug_dirs, types, force_vmlinux)?;
    let session = py.detach(|| Session::open(&DumpSpec { paths }, &options));
    Ok(OpenDump {
        session: session.map_err(error)?,
    })
}

/// The report of a dump with what it counts as, whatever went wrong.
#[derive(Serialize)]
struct Checked {
    verdict: CheckVerdict,
    #[serde(flatten)]
    report: DumpReport,
}

/// Examines a dump; only the checks named in `select` are kept, all where it is absent.
#[pyfunction]
fn check(
    py: Python<'_>,
    paths: Vec<PathBuf>,
    select: Option<Vec<String>>,
    vmlinux: Option<PathBuf>,
    btf: Option<PathBuf>,
    debug_dirs: Vec<PathBuf>,
    types: &str,
    force_vmlinux: bool,
) -> PyResult<String> {
    let options = options(vmlinux, btf, debug_dirs, types, force_vmlinux)?;
    let chosen = |ids: Vec<String>| ids.iter().map(|id| id.parse()).collect::<Result<Vec<CheckId>, _>>();
    let select = select.map(chosen).transpose().map_err(|error| PyValueError::new_err(error.to_string()))?;
    py.detach(|| {
        let mut report = virtopsy::examine(&DumpSpec { paths }, &options);
        if let Some(select) = &select {
            report.checks.retain(|check| select.contains(&check.id));
        }
        json(&Checked {
            verdict: verdict(&report),
            report,
        })
    })
}

/// The worst of the checks; without a single one, nothing was shown.
fn verdict(report: &DumpReport) -> CheckVerdict {
    if report.error.is_none() && report.checks.is_empty() {
        CheckVerdict::Inconclusive
    } else {
        report.worst()
    }
}

/// The lock reports in a text log.
#[pyfunction]
fn splats(py: Python<'_>, log: Vec<u8>) -> PyResult<String> {
    py.detach(|| json(&virtopsy::klog::scan_text(log.as_slice())?))
}

#[pymodule]
fn _virtopsy(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("Error", module.py().get_type::<Error>())?;
    module.add("SCHEMA", SCHEMA)?;
    module.add("VERSION", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<OpenDump>()?;
    module.add_function(wrap_pyfunction!(open, module)?)?;
    module.add_function(wrap_pyfunction!(check, module)?)?;
    module.add_function(wrap_pyfunction!(splats, module)?)
}
