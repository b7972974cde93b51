"""Writes tfdomain/encoders/unicode_table.npz: what the reference does to each Unicode code point.

The reference normalizer and pre-tokenizer (`BertNormalizer`, `BertPreTokenizer` of the `tokenizers`
library) carry the tables of several Unicode versions, so they are asked, code point by code point,
instead of being described. The file holds only what differs from "stays as it is".

    python experiments/make_unicode_table.py --to tfdomain/encoders/unicode_table.npz
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable

import numpy as np
import tokenizers
from tokenizers.normalizers import NFD, BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

ALL_CODE_POINTS = [code for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
# One mark of each end of the canonical ordering: class 1 and class 240.
LOWEST_MARK, HIGHEST_MARK = "\u0334", "\u0345"


def normalizer(**enabled: bool) -> Callable[[str], str]:
    settings = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
    return BertNormalizer(**(settings | enabled)).normalize_str


def map_code_points(function: Callable[[str], str], codes: Iterable[int]) -> dict[int, list[int]]:
    """The code points that `function` changes, each with what it becomes."""
    changed = {}
    for code in codes:
        result = function(chr(code))
        if result != chr(code):
            changed[code] = [ord(character) for character in result]
    return changed


def combining_classes(codes: Iterable[int]) -> dict[int, int]:
    """The canonical combining classes that the reference's NFD works with, found by what it reorders.

    Two neighbours change places where the first has the higher class and neither is 0.
    """
    nfd = NFD().normalize_str

    def above(first: str, second: str) -> bool:
        return nfd(first + second) == second + first != first + second

    marks = [
        chr(code) for code in codes if above(chr(code), LOWEST_MARK) or above(HIGHEST_MARK, chr(code))
    ]  # fmt: skip
    marks = sorted({*marks, LOWEST_MARK, HIGHEST_MARK})
    # The rank among the classes orders as the class itself does.
    representatives: list[str] = []
    for mark in marks:
        if not any(not above(mark, other) and not above(other, mark) for other in representatives):
            representatives.append(mark)
    ranks = {
        mark: 1 + sum(above(mark, other) for other in representatives)
        for mark in marks
    }  # fmt: skip
    return {ord(mark): rank for mark, rank in ranks.items()}


def breaks_order(code: int) -> bool:
    """Whether marks are not reordered across this one, though it is dropped itself.

    That is not the class of the code point: U+0F73 has class 0, but what it decomposes to has not.
    """
    return NFD().normalize_str(HIGHEST_MARK + chr(code) + LOWEST_MARK).startswith(HIGHEST_MARK)


def split_kinds(codes: Iterable[int]) -> tuple[list[int], list[int]]:
    """The code points that the pre-tokenizer drops between words, and those it cuts out as words."""
    split = BertPreTokenizer().pre_tokenize_str
    whitespace, punctuation = [], []
    for code in codes:
        words = [word for word, _ in split(f"a{chr(code)}a")]
        if words == ["a", "a"]:
            whitespace.append(code)
        elif words == ["a", chr(code), "a"]:
            punctuation.append(code)
    return whitespace, punctuation


def make_tables(codes: list[int]) -> dict[str, np.ndarray]:
    """Asks the reference about `codes`.

    Returns:
        int32 arrays: sets of code points as `[ranges, 2]` rows of a first code point and the one after
        the last (`removed`, `to_space`, `isolated`, `whitespace`, `punctuation`, `order_breaks`), and maps as
        `[changes, 1 + longest]` rows of a code point and its replacement, filled with -1
        (`decomposed`, `lowercase`); `combining` is `[marks, 2]` with the rank of each mark's class.
    """
    cleaned = map_code_points(normalizer(clean_text=True), codes)
    whitespace, punctuation = split_kinds(codes)
    combining = combining_classes(codes)
    decomposed = map_code_points(normalizer(strip_accents=True), codes)
    dropped = [code for code, result in decomposed.items() if not result]
    return {
        "removed": as_ranges(code for code, result in cleaned.items() if not result),
        "to_space": as_ranges(code for code, result in cleaned.items() if result),
        "isolated": as_ranges(map_code_points(normalizer(handle_chinese_chars=True), codes)),
        "whitespace": as_ranges(whitespace),
        "punctuation": as_ranges(punctuation),
        "decomposed": as_rows(decomposed),
        "order_breaks": as_ranges(code for code in dropped if breaks_order(code)),
        "lowercase": as_rows(map_code_points(normalizer(lowercase=True), codes)),
        "combining": np.array(sorted(combining.items()), "int32").reshape(-1, 2),
    }


def as_ranges(codes: Iterable[int]) -> np.ndarray:
    codes = np.array(sorted(codes), "int32")
    gaps = np.flatnonzero(np.diff(codes) != 1) + 1
    return np.array([[run[0], run[-1] + 1] for run in np.split(codes, gaps) if run.size], "int32").reshape(-1, 2)


def as_rows(changes: dict[int, list[int]]) -> np.ndarray:
    width = max(len(result) for result in changes.values())
    rows = [[code, *result, *[-1] * (width - len(result))] for code, result in sorted(changes.items())]
    return np.array(rows, "int32")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", required=True, help="the .npz file to write")
    path = parser.parse_args().to
    start = time.perf_counter()
    tables = make_tables(ALL_CODE_POINTS)
    np.savez_compressed(path, **tables)  # type: ignore[arg-type]
    sizes = {name: list(table.shape) for name, table in tables.items()}
    seconds = round(time.perf_counter() - start, 1)
    print(json.dumps({"tokenizers": tokenizers.__version__, "tables": sizes, "seconds": seconds}))


if __name__ == "__main__":
    main()
