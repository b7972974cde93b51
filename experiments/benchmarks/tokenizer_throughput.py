"""Tokens per second of our in-graph tokenizer against the `tokenizers` library, on the same texts.

Both get batches of the same size, take turns batch by batch, and use the machine's cores as they do by
default. The peer does not pad; ours gives padded tensors. `encode_batch` always computes offsets,
`encode_batch_fast` never does; ours is measured with and without.

    TFDOMAIN_DATA_DIR=... python experiments/benchmarks/tokenizer_throughput.py --checkpoint FOLDER
"""

import argparse
import csv
import gzip
import json
import os
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


def measure(functions: dict[str, Callable], batches: list[list[str]], rounds: int) -> dict[str, float]:
    """The median over rounds of the seconds that each function takes for all batches."""
    for function in functions.values():
        for batch in batches[:2]:
            function(batch)
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    turns = list(functions.items())
    for _ in range(rounds):
        spent = dict.fromkeys(functions, 0.0)
        for batch in batches:
            turns = [*turns[1:], turns[0]]  # nobody always comes after the same one
            for name, function in turns:
                start = time.perf_counter()
                function(batch)
                spent[name] += time.perf_counter() - start
        for name, value in spent.items():
            seconds[name].append(value)
    return {name: statistics.median(values) for name, values in seconds.items()}


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
    seconds = measure(
        {
            "ours": lambda batch: tokenizer(batch, max_length=max_length),
            "ours_with_offsets": lambda batch: tokenizer(batch, max_length=max_length, return_offsets=True),
            "encode_batch": peer.encode_batch,
            "encode_batch_fast": peer.encode_batch_fast,
        },
        batches,
        rounds,
    )
    rates = {name: tokens / value for name, value in seconds.items()}
    return {
        "texts": len(texts),
        "characters_per_text": round(statistics.mean(map(len, texts)), 1),
        "not_ascii_rate": round(statistics.mean(not text.isascii() for text in texts), 4),
        "tokens": tokens,
        "tokens_per_second": {name: round(rate) for name, rate in rates.items()},
        "ratio_both_with_offsets": round(rates["ours_with_offsets"] / rates["encode_batch"], 2),
        "ratio_both_without_offsets": round(rates["ours"] / rates["encode_batch_fast"], 2),
        "ratio_ours_without_peer_with_offsets": round(rates["ours"] / rates["encode_batch"], 2),
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
