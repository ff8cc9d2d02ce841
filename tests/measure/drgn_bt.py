#!/usr/bin/env python3
"""Prints with drgn the stack of what ran on each CPU, with file and line, for comparison of cost with `virtopsy bt`.

usage: drgn_bt.py DUMP [VMLINUX_OR_MODULE...]
"""
import sys

import drgn
from drgn.helpers.linux.cpumask import for_each_online_cpu
from drgn.helpers.linux.sched import cpu_curr

prog = drgn.Program()
prog.set_core_dump(sys.argv[1])
prog.load_debug_info(sys.argv[2:])
for cpu in for_each_online_cpu(prog):
    task = cpu_curr(prog, cpu)
    print("cpu", cpu, "pid", task.pid.value_())
    try:
        print(prog.stack_trace(task))
    except (ValueError, LookupError, drgn.FaultError) as e:
        print("no stack:", e)
