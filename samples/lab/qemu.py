"""Machines in QEMU's TCG, which emulates SVM. The truth is the monitor's."""
import json, re, shlex, socket, subprocess, tempfile, pathlib, time

from scenario import callback, keep_copied


class Monitor:
    """QMP, with one human command inside."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.stream = self.socket.makefile("rw")
        self.stream.readline()
        self.call("qmp_capabilities")

    def call(self, command, **arguments):
        self.stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.stream.flush()
        for line in self.stream:
            answer = json.loads(line)
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']}")
            if "return" in answer:
                return answer["return"]
        raise RuntimeError(f"{command}: the emulator is gone")

    def human(self, line):
        return self.call("human-monitor-command", **{"command-line": line})

    def word(self, physical):
        return int(self.human(f"xp /1gx {physical:#x}").split(":")[1], 16)

    def registers(self):
        """The monitor's words, and (EFER, CR4) by CPU."""
        text, cpus = self.human("info registers -a"), {}
        for block in re.split(r"^CPU#", text, flags=re.M)[1:]:
            number = int(re.match(r"\d+", block)[0])
            cpus[number] = (int(re.search(r"\bEFER=([0-9a-f]+)", block)[1], 16), int(re.search(r"\bCR4=([0-9a-f]+)", block)[1], 16))
        return text, [cpus[n] for n in sorted(cpus)]


def command(scenario, machine, disk, initrd, log, qmp, memory, limit):
    arguments = shlex.split(scenario.get("machine", ""))
    if "-cpu" not in arguments:
        arguments += ["-cpu", "EPYC"]
    if "-smp" not in arguments:
        arguments += ["-smp", "4"]
    total, crash = memory
    return ["timeout", "-k", "5", str(limit), "qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi", "-m", str(total), *arguments,
            "-display", "none", "-no-reboot", "-monitor", "none", "-nic", "none", "-serial", f"file:{log}", "-qmp", f"unix:{qmp},server,nowait",
            "-device", "vmcoreinfo", "-drive", f"file={disk},format=raw,if=virtio,cache=unsafe",
            "-kernel", str(machine / "kernel"), "-initrd", str(initrd), "-append", scenario.cmdline(crash)]


def run(scenario, machine, work, memory, limit):
    """Boot, die, dump. Returns the record of what was seen and the dumps made, by form."""
    with tempfile.TemporaryDirectory(dir=work) as scratch:
        scratch = pathlib.Path(scratch)
        disk, qmp, initrd = scratch / "disk", scratch / "qmp", scratch / "initrd"
        log = work / f"{scenario.name}.log"
        with open(disk, "wb") as f:
            f.truncate(2 << 30)
        initrd.write_bytes(scenario.initramfs(machine))
        log.write_text("")
        emulator = subprocess.Popen(command(scenario, machine, disk, initrd, log, qmp, memory, limit), stdin=subprocess.DEVNULL,
                                    stderr=open(work / f"{scenario.name}.emulator", "w"))
        record, dumps, monitor, injected = {}, {}, None, False
        try:
            while emulator.poll() is None:
                time.sleep(0.5)
                said = log.read_text(errors="replace")
                if scenario.get("inject") and not injected and "lab: ready" in said:
                    monitor, injected = Monitor(qmp), True
                    monitor.call(f"inject-{scenario.get('inject')}")
                if scenario.by == "kdump" and "lab: crash kernel copies" in said and monitor and "cpus later" not in record:
                    record["registers later"], record["cpus later"] = monitor.registers()
                if "cpus" in record or not scenario.ready.search(said):
                    # a panic that ends like this found no crash kernel
                    if "the scenario ended" in said or scenario.by == "kdump" and "end Kernel panic" in said:
                        break
                    continue
                if scenario.by == "hypervisor":
                    time.sleep(float(scenario.get("after", "2")))
                monitor = monitor or Monitor(qmp)
                monitor.call("stop")
                record["registers"], record["cpus"] = monitor.registers()
                record["callback"] = callback(monitor.word, log.read_text(errors="replace"))
                if scenario.by == "kdump":
                    monitor.call("cont")
                    continue
                for form in scenario.get("formats", "kdump-zlib").split():
                    dumps[form] = work / f"{scenario.name}.{form}"
                    dumps[form].unlink(missing_ok=True)
                    monitor.call("dump-guest-memory", paging=False, protocol=f"file:{dumps[form]}", **({} if form == "elf" else {"format": form}))
                monitor.call("quit")
                break
            if "cpus" in record:
                emulator.wait(timeout=30)
        finally:
            if emulator.poll() is None:
                emulator.terminate()
                emulator.wait()
        record["log"] = log.read_text(errors="replace")
        keep_copied(scenario, work, disk, record["log"], dumps)
    return record, dumps
