#!/usr/bin/env python3
"""Reads with drgn the variables that `virtopsy check` reads, for comparison of cost. Judges nothing.

usage: drgn_check.py DUMP [VMLINUX_OR_MODULE...]
"""
import sys

import drgn
from drgn.helpers.linux.cpumask import for_each_online_cpu, for_each_possible_cpu
from drgn.helpers.linux.list import list_for_each_entry
from drgn.helpers.linux.percpu import per_cpu

prog = drgn.Program()
prog.set_core_dump(sys.argv[1])
if len(sys.argv) > 2:
    prog.load_debug_info(sys.argv[2:])


def read(what, get):
    try:
        print(what, get())
    except (LookupError, AttributeError, drgn.FaultError) as e:
        print(what, "unavailable:", type(e).__name__)


for name in ("crashing_cpu", "crash_ipi_issued", "waiting_for_crash_ipi", "panic_cpu", "stopping_cpu"):
    read(name, lambda: prog[name].format_(type_name=False))
for name in ("kvm_emergency_callback", "cpu_emergency_virt_callback"):
    read(name, lambda: hex(prog[name].value_()))
read("modules", lambda: [(m.name.string_().decode(), int(m.state)) for m in
                         list_for_each_entry("struct module", prog["modules"].address_of_(), "list")])
online = set(for_each_online_cpu(prog))
for cpu in for_each_possible_cpu(prog):
    read(f"cpu {cpu} online", lambda: cpu in online)
    read(f"cpu {cpu} cr4", lambda: hex(per_cpu(prog["cpu_tlbstate"], cpu).cr4))
    for name in ("virtualization_nr_users", "nmi_state"):
        read(f"cpu {cpu} {name}", lambda: per_cpu(prog[name], cpu).format_(type_name=False))
    read(f"cpu {cpu} note", lambda: any(prog.read(per_cpu(prog["crash_notes"][0], cpu).address_of_(), 400)))
    read(f"cpu {cpu} nmi stack", lambda: sum(
        1 for i in range(0, 8192, 8)
        if prog.read_u64(per_cpu(prog["exception_stacks"], cpu).NMI_stack.address_of_().value_() + i)))
