#!/usr/bin/env python3
"""Holds virtopsy's stacks, tasks, modules and log against drgn's (and makedumpfile's log).

usage: drgn_stacks.py [--bin VIRTOPSY] [--corpus DIR] [--debug DIR]... [DUMP...]

DIR of --debug holds RELEASE/vmlinux, as samples/lab/fetch-kernel unpacks Debian's.

Every difference is explained or counts: the exit status is 1 when one is left without an
explanation. Where drgn, the corpus or a vmlinux is missing, a line says SKIPPED.

What is compared of a stack is its physical frames, by address, and for each of them the functions
that are inlined there, with file and line, where both have them. drgn goes on into user mode with
one frame, which virtopsy tells as the reason for the end. Without drgn the log alone is compared,
with makedumpfile's.
"""
import argparse
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# drgn's own reader of ELF takes QEMU's dumps, whose segments name no virtual address, for empty.
os.environ.setdefault("DRGN_USE_LIBKDUMPFILE_FOR_ELF", "1")
ROOT = pathlib.Path(__file__).resolve().parents[2]


def virtopsy(binary, *args):
    done = subprocess.run([binary, *map(str, args)], capture_output=True, check=False)
    if done.returncode not in (0, 1, 3):
        raise RuntimeError(f"{args[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def answer(binary, command, dump, vmlinux, *more):
    options = ["--format", "json"] + (["--vmlinux", vmlinux] if vmlinux else [])
    return json.loads(virtopsy(binary, command, dump, *options, *more))


class Tally:
    """Counts, and prints what is worth a line."""

    def __init__(self):
        self.same = self.explained = self.unexplained = 0

    def agree(self):
        self.same += 1

    def explain(self, what, why):
        self.explained += 1
        print(f"  explained: {what}: {why}")

    def differ(self, what, ours, theirs):
        self.unexplained += 1
        print(f"  DIFFERENT: {what}\n    virtopsy: {ours}\n    drgn:     {theirs}")


def text(value):
    """A Text of virtopsy's JSON as bytes."""
    if isinstance(value, dict):
        import base64
        return base64.b64decode(value["bytes"])
    return (value or "").encode()


def kernel_ip(ip):
    return ip >= 0xFFFF_8000_0000_0000


def drgn_frames(prog, address):
    """The physical frames in the kernel, each its return address and the places that its code comes
    from, innermost first; and what kept drgn from more."""
    import drgn

    task = drgn.Object(prog, "struct task_struct *", address)
    try:
        trace = prog.stack_trace(task)
    except Exception as e:  # drgn raises several kinds
        return [], f"{type(e).__name__}: {e}"
    frames, places = [], []
    for f in trace:
        try:
            places.append((f.name, *f.source()[:2]))
        except LookupError:
            pass
        if not f.is_inline:
            if kernel_ip(f.pc):
                frames.append((f.pc, places))
            places = []
    return frames, None


def has_symbol(prog, ip):
    try:
        prog.symbol(ip - 1)
    except LookupError:
        return False
    return True


def why_apart(prog, ours, theirs):
    """Why drgn goes another way: where it has no file of a module (the module's notes are not in the
    dump), it has no CFI, and takes what the frame pointer leads to, or stops."""
    same = 0
    while same < min(len(ours), len(theirs)) and ours[same] == theirs[same]:
        same += 1
    if same == 0 or same == len(ours) or has_symbol(prog, theirs[same - 1]):
        return None
    where = f"drgn has no file of the module at {theirs[same - 1]:#x}, and so no CFI"
    if same == len(theirs):
        return f"{where}: it stops after {same} of {len(ours)} frames"
    if all(not has_symbol(prog, ip) for ip in theirs[same:]):
        return f"{where}: it goes on to {theirs[same]:#x}, which is no code"
    return None


def compare_stack(prog, entry, tally):
    task = entry["task"]
    if task is None:
        tally.explain(f"CPU {entry['cpu']}", "its task_struct is not in the dump, drgn starts from one")
        return
    what = f"{task['comm']}/{task['pid']}" + (f" on CPU {entry['cpu']}" if entry["cpu"] is not None else "")
    ours = [int(f["ip"], 16) for f in entry["frames"] if f["reliable"] and kernel_ip(int(f["ip"], 16))]
    guessed = len(entry["frames"]) - len(ours)
    frames, failed = drgn_frames(prog, int(task["address"], 16))
    theirs = [pc for pc, _ in frames]
    if ours == theirs:
        tally.agree()
        compare_places(what, [f for f in entry["frames"] if f["reliable"]], frames, tally)
        if guessed and not ours:
            tally.explain(what, f"neither has a frame; virtopsy shows {guessed} that it marks as scanned")
    elif failed and not theirs:
        tally.explain(what, f"drgn has no frame ({failed}); virtopsy has {len(ours)}, and {guessed} guessed")
    elif not ours and entry["registers"] is None:
        tally.explain(what, f"virtopsy has no registers that belong to this CPU or task ({'; '.join(map(str, entry['notes']))}); drgn takes {names(prog, theirs)}")
    elif why := why_apart(prog, ours, theirs):
        tally.explain(what, why)
    else:
        tally.differ(what, names(prog, ours) + f" ({entry['ended_because']['kind']})", names(prog, theirs))


def compare_places(what, ours, theirs, tally):
    """Inlined functions, files and lines of frames that are the same."""
    for frame, (pc, places) in zip(ours, theirs):
        source = frame["source"]
        if not source or not places:
            continue
        mine = [(text(s["function"]).decode(), text(s["file"]).decode(), s["line"]) for s in source]
        if all(a[0] == b[0] and ("/" + b[1]).endswith("/" + a[1]) and a[2] == b[2] for a, b in zip(mine, places)) and len(mine) == len(places):
            tally.agree()
        elif mine[-1][0] != places[-1][0] or len(mine) == len(places) == 1 and not mine[0][0]:
            # Assembly has no functions in DWARF; drgn names it by the symbol.
            tally.agree() if mine[-1][2] == places[-1][2] else tally.differ(f"{what}, lines of {pc:#x}", mine, places)
        else:
            tally.differ(f"{what}, lines of {pc:#x}", mine, places)


def names(prog, ips):
    def name(ip):
        try:
            return prog.symbol(ip - 1).name
        except LookupError:
            return hex(ip)
    return " < ".join(name(ip) for ip in ips[:16]) or "(none)"


def compare_tasks(prog, found, tally):
    import drgn
    from drgn.helpers.linux.pid import for_each_task
    from drgn.helpers.linux.sched import task_cpu, task_state_to_char

    for task in found["tasks"]:
        address = int(task["address"], 16)
        theirs = drgn.Object(prog, "struct task_struct *", address)
        ours = (task["pid"], task["tgid"], text(task["comm"]), task["state"], task["cpu"])
        try:
            read = (theirs.pid.value_(), theirs.tgid.value_(), theirs.comm.string_(),
                    task_state_to_char(theirs), task_cpu(theirs))
        except drgn.FaultError as e:
            tally.explain(f"task {address:#x}", f"drgn can't read it: {e}")
            continue
        # drgn gives a task that waits to run its state, as virtopsy does.
        tally.agree() if ours == read else tally.differ(f"task {address:#x}", ours, read)
    listed = {int(t["address"], 16) for t in found["tasks"]}
    try:
        theirs = {t.value_() for t in for_each_task(prog)}
    except drgn.FaultError as e:
        tally.explain("list of tasks", f"drgn ends with {e}; virtopsy has {len(listed)} tasks and says what is missing")
        return
    size = drgn.sizeof(prog.type("struct task_struct"))
    broken = [int(a, 16) for why in found["incomplete_because"] for a in re.findall(r"^0x[0-9a-f]+", why)]
    missing = set()
    for address in theirs - listed:
        if any(address <= at < address + size for at in broken):
            # drgn gives the pointer alone; virtopsy reads what stands there, and says where it could not.
            tally.explain(f"task {address:#x}", "part of its task_struct is not in the dump, which virtopsy says")
        else:
            missing.add(address)
    tally.agree() if not missing else tally.differ("list of tasks", f"lacks {sorted(map(hex, missing))}", len(theirs))


def compare_modules(prog, found, tally):
    from drgn.helpers.linux.list import list_for_each_entry

    ours = [(text(m["name"]), int(m["address"], 16), m["areas"][0]["base"]) for m in found["modules"]]
    theirs = []
    try:
        for m in list_for_each_entry("struct module", prog["modules"].address_of_(), "list"):
            theirs.append((m.name.string_(), m.value_(), hex(m.mem[0].base.value_())))
    except Exception as e:
        tally.explain("modules", f"drgn ends with {e}")
        return
    tally.agree() if ours == theirs else tally.differ("modules", ours, theirs)


def log_lines(binary, dump, vmlinux):
    records = answer(binary, "log", dump, vmlinux)["log"]
    committed = [r for r in records if r["state"] == "committed"]
    return [line for r in committed for line in text(r["text"]).split(b"\n")]


def compare_log(prog, ours, tally):
    from drgn.helpers.linux.printk import get_printk_records

    try:
        records = get_printk_records(prog)
    except Exception as e:
        tally.explain("log", f"drgn: {e}")
        return
    theirs = [line for r in records for line in r.text.split(b"\n")]
    compare_lines("log", ours, theirs, tally)


def compare_makedumpfile(ours, dump, tally):
    tool = shutil.which("makedumpfile")
    if not tool:
        print("  SKIPPED log: makedumpfile is not installed")
        return
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "dmesg"
        done = subprocess.run([tool, "--dump-dmesg", str(dump), str(out)], capture_output=True, check=False)
        if done.returncode or not out.exists():
            why = done.stderr.decode(errors="replace").strip().splitlines()
            tally.explain("log", f"makedumpfile can't read it: {why[-1] if why else done.returncode}")
            return
        # "[    0.000000] text", with the caller in brackets of its own; lines of one record are indented.
        prefix = re.compile(rb"^\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? ?")
        theirs = [escaped(prefix.sub(b"", line)) for line in out.read_bytes().removesuffix(b"\n").split(b"\n")]
    compare_lines("log, by makedumpfile", [escaped(line) for line in ours], theirs, tally)


def escaped(line):
    """makedumpfile writes what is not printable as \\xNN, and indents the later lines of a record."""
    return b"".join(bytes([b]) if 32 <= b < 127 else b"\\x%02x" % b for b in line).strip()


def compare_lines(what, ours, theirs, tally):
    if ours == theirs:
        tally.agree()
        return
    for number, (a, b) in enumerate(zip(ours, theirs)):
        if a != b:
            tally.differ(f"{what}, line {number}", a, b)
            return
    tally.differ(what, f"{len(ours)} lines", f"{len(theirs)} lines")


def open_drgn(dump, kernels, debug):
    """The program, and the folder of its vmlinux; `None` where there is none."""
    import drgn

    prog = drgn.Program()
    prog.set_core_dump(str(dump))
    release = re.search(r"^OSRELEASE=(.*)$", prog["VMCOREINFO"].string_().decode(), re.M).group(1)
    folders = [kernels / release.rsplit("-", 1)[-1], *(unpacked / release for unpacked in debug)]
    folder = next((folder for folder in folders if (folder / "vmlinux").exists()), None)
    if folder is None:
        return prog, None, release
    files = [str(folder / "vmlinux")] + [str(ko) for ko in sorted(folder.glob("*.ko"))]
    try:
        prog.load_debug_info(files)
    except drgn.MissingDebugInfoError:
        pass  # modules without files stay without
    return prog, folder, release


def compare(binary, dump, kernels, debug):
    tally = Tally()
    if not has_drgn():
        compare_makedumpfile(log_lines(binary, dump, None), dump, tally)
        return tally
    try:
        prog, folder, release = open_drgn(dump, kernels, debug)
    except Exception as e:
        print(f"  SKIPPED: drgn can't open it: {e}")
        compare_makedumpfile(log_lines(binary, dump, None), dump, tally)
        return tally
    print(f"  kernel {release}" + ("" if folder else ": SKIPPED stacks, tasks, modules: no vmlinux for drgn"))
    ours = log_lines(binary, dump, folder)
    compare_makedumpfile(ours, dump, tally)
    if folder is None:
        return tally
    try:
        prog["init_task"].pid.read_()
    except Exception as e:
        print(f"  SKIPPED stacks, tasks, modules: drgn can't read memory by virtual address: {e}")
        return tally
    for entry in answer(binary, "bt", dump, folder, "--all")["backtraces"]:
        compare_stack(prog, entry, tally)
    compare_tasks(prog, answer(binary, "tasks", dump, folder), tally)
    compare_modules(prog, answer(binary, "modules", dump, folder), tally)
    compare_log(prog, ours, tally)
    return tally


def has_drgn():
    return importlib.util.find_spec("drgn") is not None


def main():
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--bin", default=str(target / "release/virtopsy"))
    parser.add_argument("--corpus", type=pathlib.Path,
                        default=pathlib.Path(os.environ.get("VIRTOPSY_CORPUS", ROOT / "target/corpus")))
    parser.add_argument("--debug", type=pathlib.Path, action="append", default=[], help="folder with RELEASE/vmlinux")
    parser.add_argument("dumps", nargs="*", type=pathlib.Path)
    args = parser.parse_args()
    if not has_drgn():
        print("SKIPPED all but the log: drgn is not installed (pip install drgn)")
    dumps = args.dumps or sorted(p for p in (args.corpus / "dumps").glob("*") if p.suffix != ".json")
    if not dumps:
        print(f"SKIPPED: no dumps in {args.corpus}/dumps (set VIRTOPSY_CORPUS)")
        return 0
    unexplained = 0
    for dump in dumps:
        print(dump.name)
        tally = compare(args.bin, dump, args.corpus / "kernels", args.debug)
        print(f"  {tally.same} the same, {tally.explained} explained, {tally.unexplained} unexplained")
        unexplained += tally.unexplained
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
