"""Time and memory of `tfdomain prepare`, all its steps on, over millions of rows; prints JSON.

    python experiments/benchmarks/prepare_scale.py --rows 5000000

Writes a CSV file of invented texts of about 200 characters, those of `duplicates_scale.py` (a fifth repeats an earlier
one, a third of these nearly), with a label and a number beside each; one row in fifty holds a telephone number, an
address, or a leftover of HTML. Then the command prepares it with its default steps. Every half second the memory of all
its processes is read: `peak_mib` is what they hold together, each page shared by several counted once, and
`peak_anonymous_mib` that without the pages of files, which the system takes back when it needs them. `held` tells the
same for each stage, by what the folder holds at that time. Linux only (/proc).
"""

import argparse
import contextlib
import csv
import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq
from duplicates_scale import make_shards

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
PROJECT = Path(__file__).resolve().parents[2]
EXTRAS = (" call 212-555-0{:03d}", " write to a{}@example.com", " &amp; <b>{}</b>")


def write_rows(num_rows: int, folder: Path) -> Path:
    target = folder / "rows.csv"
    with open(target, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "label", "number"))
        number = 0
        for shard in make_shards(num_rows, folder):
            for text in pq.read_table(shard.path).column("text").to_pylist():
                extra = EXTRAS[number // 50 % 3].format(number % 1000) if number % 50 == 7 else ""
                writer.writerow((text + extra, f"label {number * 7919 % 20}", number))
                number += 1
            shard.path.unlink()
    return target


def held_by(session: int) -> tuple[int, int]:
    """KiB of all processes of a session: all pages, and those that are of no file."""
    total = anonymous = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if int((entry / "stat").read_text().rsplit(")", 1)[1].split()[3]) != session:
                continue
            lines = (entry / "smaps_rollup").read_text().splitlines()[1:]
        except OSError:
            continue
        kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
        total += kilobytes["Pss"]
        anonymous += kilobytes["Pss_Anon"]
    return total, anonymous


def stage_of(folder: Path) -> str:
    """What is being done, by what is there."""
    batch = folder / "state" / "batch-0000"
    if (folder / "removed.csv").exists():
        return "card"
    if any(folder.glob(".train.parquet.*")):
        return "writing"
    if any((folder / "state").glob("tmp*")):
        return "duplicates"
    return "texts" if any(batch.glob("*.parquet")) else "reading"


def run(source: Path, folder: Path) -> dict:
    command = [sys.executable, "-m", "tfdomain", "prepare", str(source), "--to", str(folder), "--label", "label"]
    started, held = time.monotonic(), {}
    # A pipe that nobody reads fills up, a file does not.
    with open(folder.parent / "told", "w+") as told:
        environment = os.environ | {"PYTHONPATH": str(PROJECT)}
        process = subprocess.Popen(command, stdout=told, stderr=told, env=environment, start_new_session=True)
        while process.poll() is None:
            found, stage = held_by(process.pid), stage_of(folder)
            known = held.setdefault(
                stage, {"began": round(time.monotonic() - started, 1), "mib": 0, "anonymous_mib": 0}
            )
            for name, kilobytes in zip(("mib", "anonymous_mib"), found, strict=True):
                known[name] = max(known[name], kilobytes >> 10)
            time.sleep(0.5)
        told.seek(0)
        if process.returncode:
            raise SystemExit(told.read())
        summary = told.read().splitlines()[0]
    seconds = time.monotonic() - started
    # Helpers that outlive their parent a moment count as well.
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "seconds": round(seconds, 1),
        "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_mib": max(each["mib"] for each in held.values()),
        "peak_anonymous_mib": max(each["anonymous_mib"] for each in held.values()),
        "held": held,
        "summary": summary,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--folder", type=Path, help="where there is space; default: the system's temporary folder")
    arguments = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory(prefix="tfdomain-", dir=arguments.folder) as temporary:
        source = write_rows(arguments.rows, Path(temporary))
        size = source.stat().st_size
        found = run(source, Path(temporary) / "prepared")
    rate = round(arguments.rows / found["seconds"])
    print(json.dumps({"rows": arguments.rows, "mebibytes": size >> 20, "rows_per_second": rate, **found}))


if __name__ == "__main__":
    main()
