"""Tokens per second of our in-graph tokenizer against the `tokenizers` library, on the same texts.

Both get batches of the same size, take turns batch by batch in a shuffled order, and use the machine's
cores as they do by default. Processor seconds count all threads; they tell more on a busy machine.
The peer does not pad; ours gives padded tensors. `encode_batch` always computes offsets,
`encode_batch_fast` never does; ours is measured with and without.

    TFDOMAIN_DATA_DIR=... python experiments/benchmarks/tokenizer_throughput.py --checkpoint FOLDER
"""

import argparse
import csv
import gzip
import json
import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

from transformers import BertTokenizerFast

from tfdomain.encoders.tokenizer import Tokenizer


def read_texts(folder: Path) -> dict[str, list[str]]:
    with gzip.open(folder / "banking77" / "train.csv.gz", "rt", encoding="utf-8", newline="") as file:
        banking = [row["text"] for row in csv.DictReader(file)]
    with gzip.open(folder / "legal_tos" / "tos_en.jsonl.gz", "rt", encoding="utf-8") as file:
        legal = [json.loads(line)["text"] for line in file]
    return {"banking77 train": banking, "legal_tos": legal}


def measure(
    functions: dict[str, Callable], batches: list[list[str]], rounds: int
) -> tuple[dict[str, float], dict[str, float]]:
    """The medians over rounds of the wall and the processor seconds of each function for all batches."""
    for function in functions.values():
        for batch in batches[:2]:
            function(batch)
    order, turns = random.Random(0), list(functions.items())
    wall: dict[str, list[float]] = {name: [] for name in functions}
    processor: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for times in (wall, processor):
            for name in functions:
                times[name].append(0.0)
        for batch in batches:
            order.shuffle(turns)
            for name, function in turns:
                time.sleep(0.002)  # the threads of the one before have gone to sleep
                start, start_processor = time.perf_counter(), time.process_time()
                function(batch)
                wall[name][-1] += time.perf_counter() - start
                processor[name][-1] += time.process_time() - start_processor
    return tuple({name: statistics.median(values) for name, values in times.items()} for times in (wall, processor))


def compare(tokenizer: Tokenizer, reference, texts: list[str], batch_size: int, rounds: int, max_length: int):
    batches = [texts[start : start + batch_size] for start in range(0, len(texts), batch_size)]
    peer = reference._tokenizer
    peer.no_padding()
    peer.enable_truncation(max_length)
    peer.encode_special_tokens = True
    tokens = sum(len(encoding.ids) for batch in batches for encoding in peer.encode_batch(batch))
    ours = sum(int(tokenizer.lengths(batch, max_length=max_length).numpy().sum()) for batch in batches)
    if ours != tokens:
        raise SystemExit(f"token counts differ: {ours} and {tokens}")
    wall, processor = measure(
        {
            "ours": lambda batch: tokenizer(batch, max_length=max_length),
            "ours_with_offsets": lambda batch: tokenizer(batch, max_length=max_length, return_offsets=True),
            "encode_batch": peer.encode_batch,
            "encode_batch_fast": peer.encode_batch_fast,
        },
        batches,
        rounds,
    )
    return {
        "texts": len(texts),
        "characters_per_text": round(statistics.mean(map(len, texts)), 1),
        "not_ascii_rate": round(statistics.mean(not text.isascii() for text in texts), 4),
        "tokens": tokens,
        "wall": rate(tokens, wall),
        "processor": rate(tokens, processor),
    }


def rate(tokens: int, seconds: dict[str, float]) -> dict:
    """Tokens per second, and how many times the peer's ours are."""
    return {
        "tokens_per_second": {name: round(tokens / value) for name, value in seconds.items()},
        "ratio_both_with_offsets": round(seconds["encode_batch"] / seconds["ours_with_offsets"], 2),
        "ratio_both_without_offsets": round(seconds["encode_batch_fast"] / seconds["ours"], 2),
        "ratio_ours_without_peer_with_offsets": round(seconds["encode_batch"] / seconds["ours"], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder with the tokenizer's files")
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--max-length", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    tokenizer = Tokenizer.from_pretrained(arguments.checkpoint)
    reference = BertTokenizerFast.from_pretrained(arguments.checkpoint)
    options = (arguments.batch_size, arguments.rounds, arguments.max_length)
    results = {
        name: compare(tokenizer, reference, texts, *options)
        for name, texts in read_texts(Path(os.environ["TFDOMAIN_DATA_DIR"])).items()
    }
    settings = {"batch_size": options[0], "rounds": options[1], "max_length": options[2]}
    print(json.dumps({**settings, "processors": os.cpu_count(), "results": results}))


if __name__ == "__main__":
    main()
