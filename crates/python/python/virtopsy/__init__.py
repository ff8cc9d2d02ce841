"""Was hardware virtualization off when the crash kernel took over, and how do we know?

>>> import virtopsy
>>> report = virtopsy.check("vmcore")
>>> report.verdict, report.virtualization.verdict
('fail', 'not-all-off')
>>> [cpu.cpu for cpu in report.virtualization.cpus if cpu.state != "off"]
[2]

A report is what ``virtopsy report --format json`` prints, as objects: each is a dict whose keys
are attributes too. Addresses are strings in hex, as there; text that is not UTF-8 is ``bytes``.
All work is done without the interpreter's lock, so that threads run beside each other.
"""

from __future__ import annotations

import base64
import json
import keyword
import os
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Optional, Sequence, Union, cast

from . import _virtopsy
from ._virtopsy import Error

if TYPE_CHECKING:
    from ._report import CallbackReport, CheckReport, CpuReport, Report, Splat

__all__ = ["Dump", "Error", "Record", "SCHEMA", "check", "open", "splats", "__version__"]

#: Version of the reports (SchemaVer: model.revision.addition).
SCHEMA: str = _virtopsy.SCHEMA
__version__: str = _virtopsy.VERSION

Path = Union[str, "os.PathLike[str]"]


class Record(dict):  # type: ignore[type-arg]
    """Part of a report: a dict whose keys are attributes too; one that is a word of Python has an
    underscore behind it (``lock.class_``)."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        key = name[:-1] if name.endswith("_") and keyword.iskeyword(name[:-1]) else name
        try:
            return self[key]
        except KeyError:
            raise AttributeError(f"the record has no {name!r}; it has {', '.join(self)}") from None

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self]

    def __reduce__(self) -> Any:
        return Record, (dict(self),)


def _record(fields: "dict[str, Any]") -> Any:
    """A JSON object as a record, or as the bytes that it stands for."""
    if fields.keys() == {"bytes"} and isinstance(fields["bytes"], str):
        return base64.b64decode(fields["bytes"])
    return Record(fields)


def _records(text: str) -> Any:
    return json.loads(text, object_hook=_record)


def _paths(path: Union[Path, Sequence[Path]]) -> "list[Path]":
    if isinstance(path, (str, os.PathLike)):
        return [os.fspath(path)]
    return [os.fspath(part) for part in path]


class Dump:
    """A dump that is open. Made by :func:`open`; usable as a context manager.

    Its report is made once, when it is first asked for. Several threads may use it.
    """

    def __init__(self, session: "_virtopsy.OpenDump", path: Union[Path, Sequence[Path]]) -> None:
        self._session = session
        self._report: "Optional[Report]" = None
        #: The path or paths that it was opened by.
        self.path = path

    def __enter__(self) -> "Dump":
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def __repr__(self) -> str:
        return f"<virtopsy.Dump {self.path!r}>"

    @property
    def report(self) -> "Report":
        """Everything that is known of the dump, all checks included."""
        if self._report is None:
            self._report = cast("Report", _records(self._session.report()))
        return self._report

    @property
    def release(self) -> "Optional[Union[str, bytes]]":
        """``uname -r`` of the crashed kernel."""
        return self.report.release

    @property
    def cpus(self) -> "Iterator[CpuReport]":
        """Each possible CPU: number, state of VMX or SVM, reason, strength, evidence."""
        return iter(self.report.virtualization.cpus)

    @property
    def callback(self) -> "CallbackReport":
        """The KVM emergency callback: state, pointer, function, module."""
        return self.report.callback

    @property
    def checks(self) -> "Iterator[CheckReport]":
        """Each check: id, verdict, summary."""
        return iter(self.report.checks)

    @property
    def splats(self) -> "Iterator[Splat]":
        """Each lockdep, RCU or other lock-debugging report in the kernel log."""
        return iter(self.report.splats)

    @property
    def tasks(self) -> Iterator[Record]:
        """Each task: pid, comm, state, CPU. Read anew at each call.

        Raises :class:`Error` where the dump's kernel cannot be read. A task list that is not whole
        gives what is there; ``virtopsy tasks`` says what is missing.
        """
        return iter(_records(self._session.tasks()).tasks)

    def log(self) -> Iterator[Record]:
        """Each record of the kernel log, oldest first: sequence, timestamp (seconds), level, text.

        The text is as it stands in the dump: show it with ``repr`` or escaped, never raw.

        Raises :class:`Error` where the log cannot be read.
        """
        return iter(_records(self._session.log()))


def open(
    path: Union[Path, Sequence[Path]],
    *,
    vmlinux: Optional[Path] = None,
    btf: Optional[Path] = None,
    debug_dirs: Sequence[Path] = (),
    types: str = "auto",
    force_vmlinux: bool = False,
) -> Dump:
    """Opens a dump; several paths are the parts of a split one.

    ``vmlinux`` is a vmlinux or a directory that holds it and its modules; without one, types and
    symbols are those inside the dump. ``btf`` is BTF in a file, archive or directory of its own, which
    is held against the dump. ``types`` is ``"auto"``, ``"btf"`` or ``"dwarf"``.

    Raises :class:`Error` where the file is no dump, or the vmlinux or BTF is of another build.
    """
    session = _virtopsy.open(_paths(path), vmlinux, btf, list(debug_dirs), types, force_vmlinux)
    return Dump(session, path)


def check(
    path: Union[Path, Sequence[Path]],
    *,
    select: Optional[Sequence[str]] = None,
    vmlinux: Optional[Path] = None,
    btf: Optional[Path] = None,
    debug_dirs: Sequence[Path] = (),
    types: str = "auto",
    force_vmlinux: bool = False,
) -> "Report":
    """The report of a dump; ``report.verdict`` is what it counts as.

    That is the worst of the checks, or of those named in ``select``: ``"pass"``, ``"fail"``,
    ``"inconclusive"`` or ``"error"``. Missing evidence is never a pass. A dump that cannot be
    opened raises nothing: ``report.error`` says why, so that one bad dump stops no batch.
    """
    names = None if select is None else list(select)
    report = _virtopsy.check(_paths(path), names, vmlinux, btf, list(debug_dirs), types, force_vmlinux)
    return cast("Report", _records(report))


def splats(log: Union[str, bytes]) -> "Iterator[Splat]":
    """Each lock report in a text log: of a serial console, dmesg, journalctl, /dev/kmsg."""
    return iter(_records(_virtopsy.splats(log.encode() if isinstance(log, str) else log)))
