"""A program that uses the types: held against the stubs by mypy, never run."""

from typing import List, Optional, Tuple

import virtopsy


def on(path: str) -> List[Tuple[int, str]]:
    report = virtopsy.check(path, select=["virt-disabled-all-cpus"])
    if report.error is not None:
        raise RuntimeError(report.error.kind)
    return [(cpu.cpu, cpu.reason) for cpu in report.virtualization.cpus if cpu.state == "on"]


def first_address(path: str) -> Optional[str]:
    with virtopsy.open(path, types="btf") as dump:
        for cpu in dump.cpus:
            for evidence in cpu.evidence:
                if evidence.address is not None:
                    return evidence.address
        return None
