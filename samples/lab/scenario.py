"""What a scenario's head says, and how the scenario comes into the machine."""
import os, re


class Scenario:
    def __init__(self, path, programs=(), what=""):
        self.programs = programs
        self.name, self.text = path.name, path.read_text()
        if what:
            self.name, self.text = f"{self.name}-{what}", f"what={what}\n{self.text}"
        self.head = {}
        for key, value in re.findall(r"^#@ (\w+) *(.*)$", self.text, re.M):
            self.head[key] = value.strip()

    def get(self, key, default=""):
        return self.head.get(key, default)

    @property
    def by(self):
        return self.get("by", "kdump")

    @property
    def ready(self):
        """What the console says when the truth can be read."""
        return re.compile(r"lab: crash kernel runs" if self.by == "kdump" else self.get("when", "lab: ready"))

    def initramfs(self, machine):
        """The machine's initramfs with the scenario and the added programs: the kernel unpacks archives that follow each other."""
        archive = (machine / "initramfs").read_bytes()
        archive += b"\0" * (-len(archive) % 512) + one_file_cpio("lab/scenario", self.text.encode())
        for program in self.programs:
            archive += b"\0" * (-len(archive) % 512) + one_file_cpio(f"lab/{program.name}", program.read_bytes(), 0o100755)
        return archive

    def cmdline(self, memory):
        # on a busy host the timer's ticks can be missed when the kernel tests for them
        return f"console=ttyS0 crashkernel={memory}M quiet panic=0 no_timer_check {self.get('cmdline')}"


def one_file_cpio(name, data, mode=0o100644):
    """A newc archive of one file."""
    def entry(name, mode, data):
        head = [0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        out = b"070701" + b"".join(b"%08X" % field for field in head) + name.encode() + b"\0"
        out += b"\0" * (-len(out) % 4)
        return out + data + b"\0" * (-len(data) % 4)
    return entry(name, mode, data) + entry("TRAILER!!!", 0, b"")


def callback(read_word, log):
    """The callback's pointer as it stands in physical memory, and what it points to.

    `read_word(physical)` reads 8 bytes; the console (`log`) says where the pointer and the functions are.
    """
    text = re.search(r"lab: text ([0-9a-f]+) ([0-9a-f]+)", log)
    variable = re.search(r"lab: variable (\w+) ([0-9a-f]+)", log)
    if not text or not variable:
        return {"state": "unknown"}
    value = read_word(int(text[2], 16) + int(variable[2], 16) - int(text[1], 16))
    found = {"variable": variable[1], "symbol": None, "module": None}
    if value == 0:
        return {"state": "none", **found}
    for name, address, module in re.findall(r"lab: function (\w+) ([0-9a-f]+) ?(?:\[(\w+)\])?", log):
        if int(address, 16) == value:
            return {"state": "registered", **found, "symbol": name, "module": module or None}
    return {"state": "dangling", **found}


def keep_copied(scenario, work, disk, log, dumps):
    """What the crash kernel copied to its disk, as a file of its own, where the console (`log`) says that it did."""
    saved = re.search(r"lab: saved (\d+)", log)
    if scenario.by == "kdump" and saved:
        dumps["vmcore"] = work / f"{scenario.name}.vmcore"
        os.truncate(disk, int(saved[1]))
        disk.rename(dumps["vmcore"])
