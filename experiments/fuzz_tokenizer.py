"""Compares our in-graph tokenizer with transformers' `BertTokenizerFast` on random Unicode strings.

Half of the batches are pairs, half are truncated, a third lets special tokens in the text through. Ids
and segments must always be equal. Offsets must be equal too, except in a text where a combining
mark that stays is moved by the canonical ordering (see docs/tokenizer.md); such texts are counted.

    python experiments/fuzz_tokenizer.py --strings 1000000 --seed 0
    python experiments/fuzz_tokenizer.py --strings 100000 --checkpoint FOLDER
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
import unicodedata
from functools import cache
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

from tokenizers.normalizers import NFD, BertNormalizer
from transformers import BertTokenizerFast

from tfdomain.encoders.tokenizer import Tokenizer

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
BLOCKS = [
    (0x20, 0x7F), (0x80, 0x250), (0x300, 0x370), (0x370, 0x590), (0x590, 0x700), (0x900, 0xE00),
    (0x1100, 0x1200), (0x1D00, 0x2000), (0x2000, 0x2070), (0x2070, 0x2C00), (0x3000, 0x3100),
    (0x4E00, 0x4F00), (0xAC00, 0xAD00), (0xF900, 0xFB00), (0xFE00, 0x10000), (0x1D100, 0x1D200),
    (0x1F300, 0x1F700), (0x20000, 0x20100), (0x2B800, 0x2BA00), (0x2F800, 0x2FA20), (0x30000, 0x31000),
    (0xE0000, 0xE0200), (0x0, 0x110000),
]  # fmt: skip
# Characters that tokenizers are known to disagree about.
TRICKY = (
    "\0\ufffd\ufeff\u200b\u200c\u200d\u00ad\t\n\r\x0b\x0c\x1c\x7f\x85\xa0\u2028\u2029\u3000\u180e"
    "\u0130\u0131\u00df\u1e9e\u03a3\u03c2\u03c3\u01c5\ufb01\u0149\u1f88\u00c5\u212b\u00e9"
    "\u0301\u0323\u0327\u0345\u0334\u034f\u0344\u302e\u1b44\U0001d165\U0001d16d\U0001d15e\u0f73\u05b0\u094d\u0652"
    "\uac00\ud55c\u1100\u1161\u11a8\u4e2d\u56fd\u3400\U00020000\U0002b81f\U0002b820\U0002b91f\U0002b920\uf900\ufa0e"
    "\uff21\uff01\uff41\u30c8\uff8c\uff9e\u3002\u300c\U0001f44d\U0001f3fd\U0001f1e9\U0001f469\u200d\U0001f52c\ufe0f"
    "\u0378\U000e0001\U0010ffff\ue000\ufdd0\U0001fae9\u0c3c\u1acf\u20c0'-#.,$+<=>^`|~_[]"
)


def make_vocabulary(name: str) -> list[str]:
    """A vocabulary of characters and short pieces: "uncased", "cased" or "chinese"."""
    ranges = {
        "uncased": [(0x21, 0x7F), (0xA1, 0x180), (0x3B1, 0x3CA), (0x430, 0x460), (0x5D0, 0x5EB), (0x1100, 0x11C3)],
        "cased": [(0x21, 0x7F), (0xA1, 0x250), (0x300, 0x345), (0x370, 0x460), (0xAC00, 0xAC80), (0x1E00, 0x1F00)],
        "chinese": [(0x21, 0x7F), (0x3001, 0x3100), (0x4E00, 0x4F00), (0xF900, 0xF920), (0xFF01, 0xFF60)],
    }[name]
    characters = [chr(code) for first, end in ranges for code in range(first, end)]
    characters += [c for c in dict.fromkeys(TRICKY) if c not in characters and not c.isspace()]
    words = "the loan pay ##ing ##ed ##er un ##able in ##in Bank bank ##nk caf\u00e9 cafe 100 ##00 a" + " " + "a" * 60
    return [*SPECIALS, *dict.fromkeys([*characters, *(f"##{c}" for c in characters), *words.split()])]


def write_checkpoint(folder: Path, vocabulary: list[str], **config) -> Path:
    """Writes vocab.txt and tokenizer_config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_bytes("".join(f"{token}\n" for token in vocabulary).encode())
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"} | config))
    return folder


def random_text(source: random.Random, vocabulary: list[str]) -> str:
    """A string of one of several kinds: any code points, tricky ones, a block, pieces, long words."""
    kind, length = source.randrange(8), source.randint(0, 24)
    if kind == 0:
        return "".join(random_character(source, 0, 0x110000) for _ in range(length))
    if kind == 1:
        return "".join(source.choices(TRICKY, k=length))
    if kind == 2:
        first, end = source.choice(BLOCKS)
        return "".join(random_character(source, first, end) for _ in range(length))
    if kind == 3:
        return source.choice(["", " ", "\u3000"]).join(source.choices(vocabulary, k=length))
    if kind == 4:
        word = source.choice(["a", "\u00e9", "e\u0301", "x", source.choice(TRICKY)]) * source.randint(48, 152)
        return source.choice(TRICKY) + word + source.choice(["", " b", "\u200db", "."])
    if kind == 5:
        parts = [*SPECIALS, "[ MASK ]", "[SEP", "##", " ", "loan", "\u00c9", source.choice(TRICKY)]
        return "".join(source.choices(parts, k=source.randint(0, 8)))
    if kind == 6:
        return "".join(source.choices([chr(code) for code in range(128)], k=length))
    mixed = [*TRICKY, *source.choices(vocabulary, k=20), " ", " "]
    return "".join(source.choices(mixed, k=length))


def random_character(source: random.Random, first: int, end: int) -> str:
    code = source.randrange(first, end)
    return "\ufffd" if 0xD800 <= code <= 0xDFFF else chr(code)


def compare(ours, reference, texts, pairs=None, *, max_length=None, split=True) -> tuple[list[dict], int]:
    """Runs both tokenizers on one batch.

    Args:
        ours: The tokenizer, or a function with its arguments and `return_offsets=True`.
        reference: A `BertTokenizerFast`; its `split_special_tokens` is set.
        texts: The first texts.
        pairs: The second texts, or None.
        max_length: As for both tokenizers.
        split: Whether special tokens in the text are split.

    Returns:
        The rows that differ, and the number of rows whose offsets were not compared.
    """
    reference.split_special_tokens = split
    expected = reference(
        texts, pairs, truncation=max_length is not None, max_length=max_length, return_offsets_mapping=True
    )
    got = ours(texts, pairs, max_length=max_length, return_offsets=True, split_special_tokens=split)
    ids, segments, mask, offsets = (
        got[name].numpy() for name in ("token_ids", "segment_ids", "padding_mask", "offsets")
    )
    strips = reference.strip_accents if reference.strip_accents is not None else reference.do_lower_case
    mismatches, skipped = [], 0
    for row, text in enumerate(texts):
        length = len(expected["input_ids"][row])
        equal = (
            mask[row].tolist() == [1] * length + [0] * (mask.shape[1] - length)
            and ids[row, :length].tolist() == expected["input_ids"][row]
            and segments[row, :length].tolist() == expected["token_type_ids"][row]
            and not segments[row, length:].any()
        )
        if equal and strips and any(moves_mark(part) for part in (text, pairs[row] if pairs else "")):
            skipped += 1
        elif equal:
            equal = offsets[row, :length].tolist() == [list(pair) for pair in expected["offset_mapping"][row]]
        if not equal:
            mismatches.append(
                {
                    "text": ascii(text),
                    "pair": ascii(pairs[row]) if pairs else None,
                    "max_length": max_length,
                    "split": split,
                    "ids": ids[row, : mask[row].sum()].tolist(),
                    "expected": expected["input_ids"][row],
                    "offsets": offsets[row, : mask[row].sum()].tolist(),
                    "expected_offsets": expected["offset_mapping"][row],
                }
            )
    return mismatches, skipped


@cache
def _decompose(character: str) -> str:
    return NFD().normalize_str(character)


@cache
def _stays_and_moves(character: str) -> bool:
    """Whether a mark is left after dropping accents that the canonical ordering may move."""
    nfd = NFD().normalize_str
    kept = BertNormalizer(False, False, True, False).normalize_str(character)
    return any(
        nfd(mark + other) != mark + other or nfd(other + mark) != other + mark
        for mark in kept
        for other in ("\u0334", "\u0345")
    )


def moves_mark(text: str) -> bool:
    """Whether the canonical ordering moves marks in a text with marks that are not dropped."""
    if text.isascii() or not any(_stays_and_moves(character) for character in text):
        return False
    text = BertNormalizer(True, False, False, False).normalize_str(text)
    return NFD().normalize_str(text) != "".join(map(_decompose, text))


def fuzz(folders: list[Path], num_strings: int, seed: int, batch_size: int = 1000) -> dict:
    source = random.Random(seed)
    loaded = [(Tokenizer.from_pretrained(folder), BertTokenizerFast.from_pretrained(folder)) for folder in folders]
    start, done, skipped, batches = time.perf_counter(), 0, 0, 0
    mismatches: list[dict] = []
    while done < num_strings:
        tokenizer, reference = loaded[batches % len(loaded)]
        vocabulary = tokenizer.vocabulary
        paired, cut, split = batches // len(loaded) % 2, source.random() < 0.5, source.random() < 0.67
        texts, pairs = [
            [random_text(source, vocabulary) for _ in range(min(batch_size, num_strings - done))] for _ in range(2)
        ]
        found, unchecked = compare(
            tokenizer,
            reference,
            texts,
            pairs if paired else None,
            max_length=source.choice([3, 4, 8, 15, 32, 64]) if cut else None,
            split=split,
        )
        mismatches, skipped = mismatches + found, skipped + unchecked
        done, batches = done + len(texts) * (1 + paired), batches + 1
        if sys.stderr.isatty():
            print(f"\r{done:,} strings, {len(mismatches)} mismatches", end="", file=sys.stderr)
    return {
        "strings": done,
        "mismatches": len(mismatches),
        "rows_without_offset_check": skipped,
        "seconds": round(time.perf_counter() - start, 1),
        "seed": seed,
        "unicode_of_python": unicodedata.unidata_version,
        "examples": mismatches[:5],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strings", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", type=Path, action="append", help="folder with a tokenizer; may be repeated")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folders = arguments.checkpoint or write_checkpoints(Path(temporary))
        result = fuzz(folders, arguments.strings, arguments.seed)
    print(json.dumps(result))
    sys.exit(1 if result["mismatches"] else 0)


def write_checkpoints(folder: Path) -> list[Path]:
    """The small checkpoints that the suite and this script compare on: their settings differ."""
    settings = {
        "uncased": {"do_lower_case": True},
        "cased": {"do_lower_case": False},
        "chinese": {"do_lower_case": True},
        "accents": {"do_lower_case": True, "strip_accents": False, "tokenize_chinese_chars": False},
    }
    vocabularies = {"accents": "cased"}
    return [
        write_checkpoint(folder / name, make_vocabulary(vocabularies.get(name, name)), **config)
        for name, config in settings.items()
    ]


if __name__ == "__main__":
    main()
