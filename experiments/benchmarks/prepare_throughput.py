"""Rows per second of `tfdomain prepare` against Hugging Face `datasets`, same normalization, exact duplicates; JSON.

    python -m venv PEER && PEER/bin/pip install datasets ftfy
    TFDOMAIN_DATA_DIR=... python experiments/benchmarks/prepare_throughput.py --peer PEER/bin/python

Both read one CSV file of real texts (banking77, legal_tos, zh_reviews), repeated with variation: a tenth of the rows
repeats an earlier one, a tenth has HTML, garbled characters or doubled blanks. Both take `clean_texts` over all of them
in two processes and leave out repeated texts. The peer does it in `map(batched=True, num_proc=2)`, tells repeated texts
by a set of hashes in one `filter`, and writes one Parquet file. Ours is the command, with the steps for personal data
and near-duplicates off: it splits, lists what it left out, and draws its card besides. The two take turns; each has a
new folder every time. `seconds` are of the whole program, start included, `processor` counts all its processes: that
tells more on a busy machine. Linux only.
"""

import argparse
import contextlib
import csv
import ctypes
import gzip
import json
import os
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
PROJECT = Path(__file__).resolve().parents[2]
DAMAGE = ("{} &amp; more", "<p>{}</p>", "{}  \u00a0", "caf\u00c3\u00a9: {}", "{}\u200b\r\n")

OURS = ("--label", "label", "--set", "steps.personal_data=false", "--set", "steps.near_duplicates=false")
PEERS = """
import hashlib, sys
import datasets
from tfdomain.preparation.cleaning import clean_texts
def clean(batch):
    texts = clean_texts(batch["text"])
    return {"text": texts, "key": [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts]}
def is_new(keys, seen):
    found = []
    for key in keys:
        found.append(key not in seen)
        seen.add(key)
    return found
if __name__ == "__main__":
    datasets.disable_progress_bars()
    rows = datasets.load_dataset("csv", data_files=sys.argv[1], split="train", cache_dir=sys.argv[2] + "/cache")
    rows = rows.map(clean, batched=True, num_proc=2)
    rows = rows.filter(is_new, input_columns="key", batched=True, fn_kwargs={"seen": set()})
    rows.remove_columns("key").to_parquet(sys.argv[2] + "/rows.parquet")
    print(f"{len(rows):,} written")
"""


def real_texts(folder: Path) -> list[str]:
    with gzip.open(folder / "banking77" / "train.csv.gz", "rt", encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    with gzip.open(folder / "legal_tos" / "tos_en.jsonl.gz", "rt", encoding="utf-8") as file:
        texts += [json.loads(line)["text"] for line in file]
    with gzip.open(folder / "zh_reviews" / "waimai_10k.csv.gz", "rt", encoding="utf-8", newline="") as file:
        texts += [row["review"] for row in csv.DictReader(file)]
    return texts


def write_rows(file: Path, num_rows: int, folder: Path) -> int:
    chance, sources, written = random.Random(0), real_texts(folder), []
    with open(file, "w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target)
        writer.writerow(("text", "label", "source"))
        for number in range(num_rows):
            kind = chance.random()
            if written and kind < 0.1:
                text = chance.choice(written)
            else:
                text = f"{chance.choice(sources)} {number}"
                text = chance.choice(DAMAGE).format(text) if kind < 0.2 else text
                written.append(text)
            writer.writerow((text, f"label {number % 7}", number))
    return file.stat().st_size


def ours(source: Path, folder: Path, python: str) -> list[str]:
    return [python, "-m", "tfdomain", "prepare", str(source), "--to", str(folder / "out"), *OURS]


def peers(source: Path, folder: Path, python: str) -> list[str]:
    (folder / "peer.py").write_text(PEERS)
    return [python, str(folder / "peer.py"), str(source), str(folder)]


def run(command: list[str], folder: Path) -> dict[str, float]:
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "home")}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(done.stderr)
    # Helpers that outlive their parent a moment count as well.
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rows = int(re.findall(r"([0-9,]+) written", done.stdout)[0].replace(",", ""))
    return {"rows": rows, "seconds": seconds, "processor": processor}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", required=True, metavar="PYTHON", help="an interpreter with `datasets` and ftfy")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # Two processors for either, whatever the machine has.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    sides = {"ours": (ours, sys.executable), "datasets": (peers, arguments.peer)}
    found: dict[str, list[dict]] = {name: [] for name in sides}
    with tempfile.TemporaryDirectory(prefix="tfdomain-") as folder:
        source = Path(folder) / "rows.csv"
        num_bytes = write_rows(source, arguments.rows, Path(os.environ["TFDOMAIN_DATA_DIR"]))
        for turn in range(arguments.rounds):
            for name, (command, python) in list(sides.items())[:: 1 if turn % 2 else -1]:
                own = Path(folder) / f"{name}{turn}"
                own.mkdir()
                found[name].append(run(command(source, own, python), own))
                shutil.rmtree(own)
    if len({each["rows"] for runs in found.values() for each in runs}) > 1:
        raise SystemExit(f"the sides keep different numbers of rows: {found}")
    medians = {
        name: {key: statistics.median(each[key] for each in runs) for key in ("seconds", "processor")}
        for name, runs in found.items()
    }
    result = {
        "rows": arguments.rows,
        "mebibytes": num_bytes >> 20,
        "kept": found["ours"][0]["rows"],
        "medians": {name: {key: round(value, 2) for key, value in each.items()} for name, each in medians.items()},
        "rows_per_second": {name: round(arguments.rows / each["seconds"]) for name, each in medians.items()},
        "ratio": {key: round(medians["datasets"][key] / medians["ours"][key], 2) for key in medians["ours"]},
        "all": {name: [round(each["seconds"], 2) for each in runs] for name, runs in found.items()},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
