#!/usr/bin/env python3
"""Checks all dumps below a folder with Dask, on one machine or on the cluster of a scheduler.

usage: dask_fleet.py DUMPS RESULTS.jsonl [SCHEDULER]

Needs the packages dask and virtopsy. A dump that cannot be examined is a result like any other.
The results are lines as `virtopsy check --format jsonl` writes them: `virtopsy summary` reads them.
"""

import json
import pathlib
import sys

import dask
import dask.bag
import virtopsy


def line(path: str) -> str:
    """The result of one dump. Threads suffice: a dump is examined without the interpreter's lock."""
    report = virtopsy.check(path)
    head = {"schema": virtopsy.SCHEMA, "tool": {"name": "virtopsy", "version": virtopsy.__version__}}
    return json.dumps({**head, **report})


def main() -> None:
    dumps, results, *scheduler = sys.argv[1:]
    if scheduler:
        from dask.distributed import Client

        Client(scheduler[0])
    else:
        dask.config.set(scheduler="threads")
    paths = sorted(str(path) for path in pathlib.Path(dumps).rglob("*") if path.is_file())
    lines = dask.bag.from_sequence(paths, npartitions=max(1, len(paths) // 16)).map(line).compute()
    pathlib.Path(results).write_text("".join(f"{line}\n" for line in lines))
    verdicts = dask.bag.from_sequence(lines).map(lambda line: json.loads(line)["verdict"])
    print(dict(verdicts.frequencies().compute()))


if __name__ == "__main__":
    main()
