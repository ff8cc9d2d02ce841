from os import PathLike
from typing import Optional, Union

_Path = Union[str, PathLike[str]]

SCHEMA: str
VERSION: str

class Error(Exception):
    """A dump cannot be opened or read."""

    kind: str
    """A stable word: ``not-a-dump``, ``wrong-vmlinux``, …"""
    message: str
    """What was found where, and what would help."""

class OpenDump:
    def report(self) -> str: ...
    def log(self) -> str: ...
    def tasks(self) -> str: ...

def open(
    paths: list[_Path],
    vmlinux: Optional[_Path],
    btf: Optional[_Path],
    debug_dirs: list[_Path],
    types: str,
    force_vmlinux: bool,
) -> OpenDump: ...
def check(
    paths: list[_Path],
    select: Optional[list[str]],
    vmlinux: Optional[_Path],
    btf: Optional[_Path],
    debug_dirs: list[_Path],
    types: str,
    force_vmlinux: bool,
) -> str: ...
def splats(log: bytes) -> str: ...
