"""Machines in Bochs, which emulates VMX. The truth is its debugger's.

Bochs stops by itself where the machine's first program runs `magic`, and where it is
interrupted; then every CPU's control registers are read. It writes no dumps: where a hypervisor
would, its own memory is read, which gives an ELF core with one segment and no notes.
"""
import os, pathlib, pty, re, select, shutil, signal, struct, subprocess, tempfile, time, tty

from scenario import callback, keep_copied

PROMPT = re.compile(r"<bochs:(\d+)>")
BLOCK = 128 << 10  # BX_MEM_BLOCK_LEN: Bochs allocates guest memory in such pieces, at first touch
CONFIGURATION = """
cpu: model={model}, count={cpus}:1:1, ips={ips}, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest={memory}, host={memory}
display_library: term
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
plugin_ctrl: unmapped=0, biosdev=0, speaker=0
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, path={disk}, mode=flat
ata0-slave: type=cdrom, path={cdrom}, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={log}
log: {messages}
panic: action=report
error: action=ignore
info: action=ignore
clock: sync=none
magic_break: enabled=1
"""
ISOLINUX = "default lab\nprompt 0\ntimeout 1\nlabel lab\n kernel /kernel\n append initrd=/initrd {cmdline}\n"


class Debugger:
    """Bochs' debugger on a terminal of its own."""

    def __init__(self, configuration, transcript):
        self.transcript = open(transcript, "wb", buffering=0)
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            os.environ["TERM"] = "xterm"
            os.execvp("bochs", ["bochs", "-q", "-f", str(configuration)])
        self.output, self.prompts, self.screen = "", 0, None
        self.wait(60)
        # the display has a terminal of its own, on which Bochs blocks when nobody reads it
        screen = re.search(r'connected to screen "([^"]+)"', self.output)
        if screen:
            self.screen = os.open(screen[1], os.O_RDONLY | os.O_NOCTTY)
            tty.setraw(self.screen)

    def poll(self, seconds):
        """Reads what there is; whether the debugger waits for a command. None: Bochs is gone."""
        ready, _, _ = select.select([f for f in (self.terminal, self.screen) if f], [], [], seconds)
        if self.screen in ready:
            os.read(self.screen, 65536)
        if self.terminal in ready:
            try:
                read = os.read(self.terminal, 65536)
            except OSError:
                return None
            self.transcript.write(read)
            self.output += read.decode(errors="replace")
        found = PROMPT.findall(self.output)
        return bool(found) and int(found[-1]) > self.prompts

    def wait(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            waiting = self.poll(0.5)
            if waiting is None:
                raise RuntimeError("Bochs is gone")
            if waiting:
                return
        raise RuntimeError("the debugger does not answer")

    def send(self, line):
        """Answers the prompt."""
        self.prompts = int(PROMPT.findall(self.output)[-1])
        self.output = f"<bochs:{self.prompts}>"
        os.write(self.terminal, line.encode() + b"\n")

    def ask(self, line):
        self.send(line)
        self.wait(120)
        return self.output

    def interrupt(self):
        os.kill(self.child, signal.SIGINT)
        self.wait(120)

    def registers(self, cpus):
        """The debugger's words, and (EFER, CR4) by CPU."""
        text, found = "", []
        for cpu in range(cpus):
            self.ask(f"set $cpu = {cpu}")
            answer = self.ask("creg")
            text += f"CPU#{cpu}\n{answer}\n"
            found.append((int(re.search(r"EFER=0x([0-9a-f]+)", answer)[1], 16), int(re.search(r"CR4=0x([0-9a-f]+)", answer)[1], 16)))
        self.ask("set $cpu = 0")
        return text, found

    def word(self, physical):
        answer = self.ask(f"xp /1gx {physical:#x}")
        return int(re.search(r">:\s*(?:0x)?([0-9a-f]+)", answer)[1], 16)

    def end(self):
        try:
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


def guest_memory(process, size, where):
    """Writes the machine's memory, out of the emulator's, as an ELF core without notes.

    Bochs keeps a table of one pointer for each piece of guest memory, NULL where none was
    touched: it is the longest run of pointers to places a multiple of BLOCK apart.
    """
    areas = []
    for line in pathlib.Path(f"/proc/{process}/maps").read_text().splitlines():
        found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
        if found:
            areas.append((int(found[1], 16), int(found[2], 16)))
    pieces = (size << 20) // BLOCK
    with open(f"/proc/{process}/mem", "rb", buffering=0) as memory:
        def read(at, length):
            memory.seek(at)
            return memory.read(length)
        vector = max(areas, key=lambda a: a[1] - a[0])
        table = None
        for start, end in areas:
            if (start, end) == vector:
                continue
            words = struct.unpack(f"<{(end - start) // 8}Q", read(start, (end - start) // 8 * 8))
            inside = [i for i, w in enumerate(words) if vector[0] <= w < vector[1]]
            for i in inside:
                run = words[i:i + pieces]
                used = [w for w in run if w]
                if len(run) == pieces and len(used) > pieces // 8 and len(set(used)) == len(used) and all((w - used[0]) % BLOCK == 0 and vector[0] <= w < vector[1] for w in used):
                    table = run
                    break
            if table:
                break
        if not table:
            raise RuntimeError("Bochs' table of guest memory was not found")
        with open(where, "wb") as image:
            image.write(struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 4, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0))
            image.write(struct.pack("<IIQQQQQQ", 1, 7, BLOCK, 0, 0, size << 20, size << 20, 0))
            for number, piece in enumerate(table):
                if piece:
                    image.seek((number + 1) * BLOCK)
                    image.write(read(piece, BLOCK))
            image.truncate((size << 20) + BLOCK)


def run(scenario, machine, work, memory, limit):
    """Boot, die, dump. Returns the record of what was seen and the dumps made, by form."""
    cpus = int((re.search(r"-smp (\d+)", scenario.get("machine")) or [0, 4])[1])
    total, crash = memory
    with tempfile.TemporaryDirectory(dir=work) as scratch:
        scratch = pathlib.Path(scratch)
        log, disk, cdrom, iso = work / f"{scenario.name}.log", scratch / "disk", scratch / "cdrom", scratch / "iso"
        (iso / "isolinux").mkdir(parents=True)
        shutil.copy("/usr/lib/ISOLINUX/isolinux.bin", iso / "isolinux")
        shutil.copy("/usr/lib/syslinux/modules/bios/ldlinux.c32", iso / "isolinux")
        shutil.copy(machine / "kernel", iso / "kernel")
        (iso / "initrd").write_bytes(scenario.initramfs(machine))
        # without a periodic tick CPUs of 7.3 slept on with tasks to run; without mitigations emulation is faster
        extra = "noxsave tsc=unstable nohz=off highres=off lapic=notscdeadline mitigations=off"
        (iso / "isolinux" / "isolinux.cfg").write_text(ISOLINUX.format(cmdline=f"{scenario.cmdline(crash)} {extra}"))
        subprocess.run(["genisoimage", "-quiet", "-o", cdrom, "-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", iso], check=True)
        with open(disk, "wb") as f:
            f.truncate(16 * 63 * 512 * 2080)  # whole cylinders, 1 GiB
        configuration = scratch / "bochsrc"
        configuration.write_text(CONFIGURATION.format(model=scenario.get("bochs", "corei7_ivy_bridge_3770k"), cpus=cpus, ips=50000000, memory=total, disk=disk,
                                                      cdrom=cdrom, log=log, messages=work / f"{scenario.name}.emulator"))
        log.write_text("")
        record, dumps, end = {}, {}, time.monotonic() + limit
        debugger = Debugger(configuration, work / f"{scenario.name}.debugger")
        try:
            debugger.send("c")
            while time.monotonic() < end:
                waiting = debugger.poll(0.5)
                said = log.read_text(errors="replace")
                ready = scenario.ready.search(said)
                # a panic that ends like this found no crash kernel
                if waiting is None or "the scenario ended" in said or scenario.by == "kdump" and "end Kernel panic" in said:
                    break
                if "cpus" not in record and ready:
                    if not waiting:
                        time.sleep(float(scenario.get("after", "2")))
                        debugger.interrupt()
                    record["registers"], record["cpus"] = debugger.registers(cpus)
                    record["callback"] = callback(debugger.word, log.read_text(errors="replace"))
                    if scenario.by != "kdump":
                        dumps["elf"] = work / f"{scenario.name}.elf"
                        guest_memory(debugger.child, total, dumps["elf"])
                        break
                elif not waiting:
                    continue
                elif "lab: saved" in said:
                    break
                elif "lab: crash kernel copies" in said and "cpus later" not in record:
                    record["registers later"], record["cpus later"] = debugger.registers(cpus)
                debugger.send("c")
        finally:
            debugger.end()
        record["log"] = log.read_text(errors="replace")
        keep_copied(scenario, work, disk, record["log"], dumps)
    return record, dumps
