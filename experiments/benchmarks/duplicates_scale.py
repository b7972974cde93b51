"""Time and memory of the search for duplicates among millions of rows, and how many it finds; prints JSON.

    python experiments/benchmarks/duplicates_scale.py --rows 5000000

Writes shards of invented texts of about 200 characters to a temporary folder: of ten rows one repeats an earlier
text from anywhere, and one repeats it with a word exchanged or with other case and punctuation. Then signatures are
computed (one process), duplicates are found among them, and rows are dropped. `recall` is the share of the planted
pairs, those of a similarity of at least 0.8, whose rows end in one cluster; `wrong` counts rows without a planted
duplicate that were dropped. Linux only (/proc/self).
"""

import argparse
import functools
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tfdomain.preparation.duplicates import find_duplicates, rows_to_drop
from tfdomain.preparation.minhash import signatures
from tfdomain.preparation.shingles import jaccard

SHARD_ROWS = 20_000
RESERVOIR = 200_000
NUM_WORDS = 33


class Meter:
    """Seconds and the most memory that was resident, in MiB, for each part of the work."""

    def __init__(self) -> None:
        self.peaks, self.seconds, self.processor_seconds = {}, {}, {}

    def measure(self, name: str, work):
        Path("/proc/self/clear_refs").write_text("5")  # The peak begins anew.
        started, used = time.monotonic(), time.process_time()
        result = work()
        self.seconds[name] = round(time.monotonic() - started, 1)
        self.processor_seconds[name] = round(time.process_time() - used, 1)
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        self.peaks[name] = int(status["VmHWM"].split()[0]) // 1024
        return result


def make_words(random: np.random.Generator, count: int) -> np.ndarray:
    alphabet = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    chances = 1 / np.arange(2, 28)
    sizes = random.integers(2, 9, count)
    letters = random.choice(alphabet, (count, 8), p=chances / chances.sum())
    return np.array(["".join(row[:size]) for row, size in zip(letters, sizes, strict=True)], object)


class Shard(NamedTuple):
    """A file of texts, the rows in it that repeat others, and those others."""

    path: Path
    planted: np.ndarray
    sources: np.ndarray
    num_characters: int


def make_shards(num_rows: int, folder: Path) -> Iterator[Shard]:
    random = np.random.default_rng(0)
    words = make_words(random, 50_000)
    # Words are as frequent as in real text: the commonest make up much of it.
    chances = np.cumsum(1 / np.arange(3, len(words) + 3))
    reservoir, owners, filled = np.empty((RESERVOIR, NUM_WORDS), np.int64), np.empty(RESERVOIR, np.int64), 0
    for start in range(0, num_rows, SHARD_ROWS):
        count = min(SHARD_ROWS, num_rows - start)
        picks = np.searchsorted(chances, random.random((count, NUM_WORDS)) * chances[-1])
        kinds = random.random(count) if filled else np.ones(count)
        planted = np.flatnonzero(kinds < 0.2)
        sources = random.integers(0, max(filled, 1), len(planted))
        picks[planted] = reservoir[sources]
        repeated = owners[sources].copy()
        exchanged = np.flatnonzero(kinds < 0.07)
        picks[exchanged, random.integers(0, NUM_WORDS, len(exchanged))] = random.integers(0, len(words), len(exchanged))
        texts = [" ".join(row) for row in words[picks].tolist()]
        for row in np.flatnonzero((kinds >= 0.07) & (kinds < 0.1)):
            texts[row] = f"{texts[row].capitalize()}!"
        fresh = np.flatnonzero(kinds >= 0.2)[: RESERVOIR // 10]
        slots = (
            np.arange(filled, filled + len(fresh))
            if filled + len(fresh) <= RESERVOIR
            else random.integers(0, filled, len(fresh))
        )
        reservoir[slots], owners[slots] = picks[fresh], start + fresh
        filled = max(filled, int(slots.max()) + 1) if len(slots) else filled
        path = folder / f"{start // SHARD_ROWS:06d}.parquet"
        pq.write_table(pa.table({"text": pa.array(texts)}), path, compression="zstd")
        yield Shard(path, start + planted, repeated, sum(map(len, texts)))


def write_signatures(shards: list[Path]) -> list[Path]:
    files = []
    for number, shard in enumerate(shards):
        texts = pq.read_table(shard).column("text").to_pylist()
        files.append(shard.with_suffix(".signatures.parquet"))
        table = signatures(texts, rows=np.arange(number * SHARD_ROWS, number * SHARD_ROWS + len(texts)))
        pq.write_table(table, files[-1], compression="none")
    return files


class ShardTexts:
    """Texts by row numbers, with a few shards in meter."""

    def __init__(self, shards: list[Path]):
        self._read = functools.lru_cache(16)(lambda shard: pq.read_table(shards[shard]).column("text"))

    def __call__(self, rows: np.ndarray) -> list[str]:
        owners = rows // SHARD_ROWS
        return [
            text
            for owner in np.unique(owners)
            for text in self._read(int(owner)).take(rows[owners == owner] - owner * SHARD_ROWS).to_pylist()
        ]


def recall_of(clusters: np.ndarray, planted: np.ndarray, sources: np.ndarray, read_texts: ShardTexts) -> dict:
    chosen = np.random.default_rng(1).choice(len(planted), min(len(planted), 50_000), replace=False)
    first, second = planted[chosen], sources[chosen]
    rows, numbers = np.unique(np.concatenate([first, second]), return_inverse=True)
    similarity = jaccard(read_texts(rows), *numbers.reshape(2, -1))
    is_alike = similarity >= 0.8
    is_near = is_alike & (similarity < 1)
    found = clusters[first] == clusters[second]
    return {
        "pairs_checked": int(is_alike.sum()),
        "recall": round(float(found[is_alike].mean()), 5),
        "recall_below_1": round(float(found[is_near].mean()), 5),
        "mean_similarity_below_1": round(float(similarity[is_near].mean()), 3),
    }


def measure(num_rows: int, folder: Path) -> dict:
    meter = Meter()
    made = meter.measure("to_make_texts", lambda: list(make_shards(num_rows, folder)))
    shards = [shard.path for shard in made]
    planted, sources = (np.concatenate([getattr(shard, name) for shard in made]) for name in ("planted", "sources"))
    splits = np.random.default_rng(2).choice(3, num_rows, p=[0.8, 0.1, 0.1]).astype(np.int8)
    read_texts = ShardTexts(shards)
    files = meter.measure("for_signatures", lambda: write_signatures(shards))
    found = meter.measure(
        "to_find",
        lambda: find_duplicates(files, read_texts, num_rows=num_rows, folder=folder, splits=splits),
    )
    dropped = meter.measure("to_drop", lambda: rows_to_drop(found, splits))
    reasons, counts = np.unique(dropped.reasons.astype(str), return_counts=True)
    with_duplicate = np.zeros(num_rows, bool)
    with_duplicate[planted] = with_duplicate[sources] = True
    return {
        "rows": num_rows,
        "characters_per_text": round(sum(shard.num_characters for shard in made) / num_rows, 1),
        "planted": len(planted),
        "texts_mib": sum(shard.stat().st_size for shard in shards) >> 20,
        "signatures_mib": sum(file.stat().st_size for file in files) >> 20,
        "seconds": meter.seconds,
        "processor_seconds": meter.processor_seconds,
        "peak_rss_mib": meter.peaks,
        **recall_of(found.clusters[0], planted, sources, read_texts),
        "wrong": int((~with_duplicate[dropped.rows]).sum()),
        "dropped": dict(zip(reasons.tolist(), counts.tolist(), strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tfdomain-") as folder:
        print(json.dumps(measure(arguments.rows, Path(folder))))


if __name__ == "__main__":
    main()
