"""Time and memory for a file of millions of rows, from CSV to token batches; prints JSON.

    python experiments/benchmarks/pipeline_memory.py --rows 5000000

Writes a CSV of about 200 characters a row to a temporary folder, reads it into the row cache, counts its tokens
and takes batches of one epoch. Memory is sampled 20 times a second: `peak_rss_mib` counts everything resident,
`peak_anonymous_mib` leaves out the pages of mapped files, which the system takes back when it needs them.
`start_mib` is what the imports alone take. Linux only (/proc/self/status).
"""

import argparse
import csv
import json
import os
import re
import tempfile
import threading
import time
from itertools import islice
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from tfdomain.data.labels import label_ids, label_names
from tfdomain.data.rows import read_rows
from tfdomain.data.splits import split_rows
from tfdomain.encoders.sources import resolve_checkpoint
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.pipeline.batches import TokenBatches

WORDS = re.findall(
    r"\S+",
    "the a of to and my loan bank card money pay paid debt credit house car repair medical school bills, interest rate "
    'consolidate monthly income job lost family wedding moving "urgent" help thank you please because',
)
POOL = 20_000


class MemoryPeaks:
    """Samples this process's memory until the block ends; the peaks are in MiB."""

    def __enter__(self) -> "MemoryPeaks":
        self.start = self.peak = resident()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(0.05):
            self.peak = {name: max(value, self.peak[name]) for name, value in resident().items()}


def resident() -> dict[str, int]:
    """Resident memory of this process in MiB: all of it, and without mapped files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    sizes = {line.split(":")[0]: int(line.split()[1]) // 1024 for line in lines if line.endswith("kB")}
    return {"rss": sizes["VmRSS"], "anonymous": sizes["RssAnon"]}


def write_csv(path: Path, num_rows: int) -> None:
    random = np.random.default_rng(0)
    pool = [" ".join(random.choice(WORDS, random.integers(10, 60))) for _ in range(POOL)]
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "status"])
        for start in range(0, num_rows, POOL):
            picks = random.integers(POOL, size=min(POOL, num_rows - start))
            writer.writerows(
                (row, f"{pool[pick]} {row}", "default" if pick % 5 == 0 else "repaid")
                for row, pick in enumerate(picks.tolist(), start)
            )


def measure(num_rows: int, num_batches: int, tokenizer: Tokenizer, folder: Path) -> dict:
    path, seconds = folder / "rows.csv", {}
    write_csv(path, num_rows)
    with MemoryPeaks() as memory:
        started = time.monotonic()
        rows = read_rows([path], texts=["text"], label="status", cache_dir=folder / "cache")
        seconds["to_cache"] = time.monotonic() - started
        peak_reading = memory.peak["anonymous"]
        started = time.monotonic()
        rows = read_rows([path], texts=["text"], label="status", cache_dir=folder / "cache")
        seconds["to_map_again"] = time.monotonic() - started
        started = time.monotonic()
        labels = label_ids(rows.labels, label_names(rows.labels))
        train_rows, _ = split_rows(rows.labels, share=0.1, num_rows=rows.num_rows, seed=0)
        batches = TokenBatches(
            rows.texts[0], tokenizer=tokenizer, labels=labels, rows=train_rows, lengths_cache=folder / "cache"
        )
        num_tokens = int(batches.lengths.sum())
        seconds["to_count_tokens"] = time.monotonic() - started
        started = time.monotonic()
        taken = sum(len(batch["row_ids"]) for batch in islice(batches.epoch(0), num_batches))
        seconds["for_batches"] = time.monotonic() - started
    return {
        "rows": rows.num_rows,
        "file_mib": path.stat().st_size >> 20,
        "rows_per_second": round(num_rows / seconds["to_cache"]),
        **{f"seconds_{name}": round(value, 2) for name, value in seconds.items()},
        "tokens_of_the_epoch": num_tokens,
        "examples_taken": taken,
        "start_mib": memory.start,
        "peak_anonymous_reading_mib": peak_reading,
        "peak_anonymous_mib": memory.peak["anonymous"],
        "peak_rss_mib": memory.peak["rss"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--batches", type=int, default=500)
    parser.add_argument("--checkpoint", default="sentence-transformers/all-MiniLM-L6-v2")
    arguments = parser.parse_args()
    tokenizer = Tokenizer.from_pretrained(resolve_checkpoint(arguments.checkpoint))
    with tempfile.TemporaryDirectory(prefix="tfdomain-") as folder:
        print(json.dumps(measure(arguments.rows, arguments.batches, tokenizer, Path(folder))))


if __name__ == "__main__":
    main()
