"""The wheel, on the project's own dumps. Run by tests/python/run."""

import concurrent.futures
import copy
import json
import os
import pathlib
import pickle
import subprocess
import threading
import time

import pytest
import virtopsy

SAMPLES = pathlib.Path(os.environ["VIRTOPSY_SAMPLES"])
STUCK = SAMPLES / "svm-stuck-cpu2.kdump"


def test_a_report_is_that_of_the_command():
    binary = os.environ.get("VIRTOPSY_BIN")
    if not binary:
        pytest.skip("VIRTOPSY_BIN names no command")
    for dump in sorted(SAMPLES.glob("*.kdump")):
        out = subprocess.run([binary, "check", "--format", "json", dump], stdout=subprocess.PIPE)
        expected = json.loads(out.stdout)["dumps"][0]
        assert json.loads(json.dumps(virtopsy.check(dump))) == expected


def test_fields_are_attributes_and_keys():
    report = virtopsy.check(STUCK)
    assert report.verdict == "fail"
    assert report.virtualization.verdict == report["virtualization"]["verdict"] == "not-all-off"
    assert [c.cpu for c in report.virtualization.cpus if c.state == "on"] == [2]
    assert "virtualization" in dir(report)
    with pytest.raises(AttributeError, match="nonsense"):
        report.nonsense
    for other in (copy.deepcopy(report), pickle.loads(pickle.dumps(report))):
        assert other == report and other.crash.cpu == report.crash.cpu


def test_a_dump_is_iterated():
    with virtopsy.open(STUCK) as dump:
        assert dump.release == "7.2.13-virtdbg"
        assert [c.state for c in dump.cpus] == ["off", "off", "on", "off"]
        assert {c.id for c in dump.checks} >= {"virt-disabled-all-cpus", "dump-complete"}
        tasks = list(dump.tasks)
        assert tasks[0].comm == "swapper/0" and tasks[0].pid == 0
        log = list(dump.log())
        assert any("Kernel panic" in str(line.text) for line in log)
        assert [line.sequence for line in log] == sorted(line.sequence for line in log)
        assert dump.callback.symbol


def test_a_selection_counts_alone():
    report = virtopsy.check(STUCK, select=["emergency-callback-sound"])
    assert [c.id for c in report.checks] == ["emergency-callback-sound"]
    assert report.verdict == report.checks[0].verdict
    with pytest.raises(ValueError, match="no check \"nope\""):
        virtopsy.check(STUCK, select=["nope"])
    assert virtopsy.check(STUCK, select=[]).verdict == "inconclusive", "nothing shown is no pass"


def test_what_is_no_dump_is_told(tmp_path):
    letter = tmp_path / "letter"
    letter.write_bytes(b"hello, this is a letter")
    report = virtopsy.check(letter)
    assert report.verdict == "error" and report.error.kind == "not-a-dump"
    with pytest.raises(virtopsy.Error, match="not-a-dump") as raised:
        virtopsy.open(letter)
    assert raised.value.kind == "not-a-dump" and str(letter) in raised.value.message
    with pytest.raises(ValueError, match="types is"):
        virtopsy.open(STUCK, types="ctf")


def test_lock_reports_are_found_in_text():
    log = (
        "[ 1.0] =============================\n"
        "[ 1.0] WARNING: suspicious RCU usage\n"
        "[ 1.0] 7.2.13 #1 Not tainted\n"
        "[ 1.0] -----------------------------\n"
        "[ 1.0] arch/x86/virt/hw.c:65 suspicious rcu_dereference_check() usage!\n"
    )
    (splat,) = virtopsy.splats(log)
    assert splat.kind == "suspicious-rcu" and splat.location == "arch/x86/virt/hw.c:65"
    assert list(virtopsy.splats(b"\xff nothing here")) == []


def test_other_threads_run_while_a_dump_is_examined():
    ticks = 0
    done = threading.Event()

    def tick():
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            time.sleep(0.001)

    ticker = threading.Thread(target=tick)
    ticker.start()
    before, started = ticks, time.monotonic()
    virtopsy.check(STUCK)
    taken, ticked = time.monotonic() - started, ticks - before
    done.set()
    ticker.join()
    # Held for all of that time, the lock would have let it tick once or twice.
    assert ticked > 5, f"{ticked} ticks in {taken} s"


def test_threads_examine_beside_each_other():
    dumps = [STUCK, SAMPLES / "svm-offline-cpu3.kdump"] * 3
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        verdicts = [r.virtualization.verdict for r in pool.map(virtopsy.check, dumps)]
    assert verdicts == ["not-all-off", "all-off"] * 3


def test_a_key_that_is_a_word_of_python_has_an_underscore():
    record = virtopsy.Record({"class": "rcu", "name": 1})
    assert record.class_ == "rcu" and record.name == 1
    with pytest.raises(AttributeError):
        record.name_
