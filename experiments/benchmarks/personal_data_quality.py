"""How well personal data is found: precision, recall and F1 by kind and language on the project's own test set.

A finding counts where kind, begin and end are those of the set. Of the items without any span, those count as left
whole in which nothing is found. Nothing of the texts is printed. `--speed` adds what a text of 200 characters without
personal data costs: such items strung together, full of numbers, and the same with letters in the place of digits.

    python experiments/benchmarks/personal_data_quality.py --set open --speed
    python experiments/benchmarks/personal_data_quality.py --set sealed
"""

import argparse
import json
import re
import statistics
import time
from collections import Counter
from pathlib import Path

from tfdomain.preparation.personal_data import KINDS, PersonalDataMasker

FOLDER = Path(__file__).resolve().parents[2] / "tests/preparation/personal_data"
LANGUAGES = ("en", "zh")


def count(items: list[dict], masker: PersonalDataMasker) -> Counter:
    """How many findings are right, wrong and missing, by (outcome, kind, language)."""
    counts: Counter = Counter()
    for item in items:
        language = item["language"]
        wanted = {tuple(span) for span in item["spans"]}
        found = {tuple(each) for each in masker.find(item["text"])}
        for outcome, spans in (("right", wanted & found), ("wrong", found - wanted), ("missing", wanted - found)):
            counts.update((outcome, kind, language) for kind, _, _ in spans)
        if not wanted:
            counts["look-alikes", language] += 1
            counts["whole", language] += not found
    return counts


def row(name: str, language: str, right: int, wrong: int, missing: int) -> str:
    """One line of the table."""
    precision = right / (right + wrong) if right + wrong else 0.0
    recall = right / (right + missing) if right + missing else 0.0
    f1 = 2 * right / (2 * right + wrong + missing) if right + wrong + missing else 0.0
    return f"| {name} | {language} | {right + missing} | {precision:.3f} | {recall:.3f} | {f1:.3f} |"


def table(counts: Counter) -> list[str]:
    """Markdown."""
    lines = ["| kind | language | spans | precision | recall | F1 |", "|---|---|---:|---:|---:|---:|"]
    for name, kinds in (*((kind, [kind]) for kind in KINDS), ("all", KINDS)):
        for label, languages in (*((each, [each]) for each in LANGUAGES), ("both", LANGUAGES)):
            numbers = [
                sum(counts[outcome, kind, language] for kind in kinds for language in languages)
                for outcome in ("right", "wrong", "missing")
            ]
            lines.append(row(name, label, *numbers))
    lines += ["", "| look-alikes left whole | items | share |", "|---|---:|---:|"]
    for label, languages in (*((each, [each]) for each in LANGUAGES), ("both", LANGUAGES)):
        items, whole = (sum(counts[key, each] for each in languages) for key in ("look-alikes", "whole"))
        lines.append(f"| {label} | {items} | {whole / items:.3f} |")
    return lines


def microseconds(texts: list[str], masker: PersonalDataMasker, rounds: int = 7) -> float:
    """Processor time a text, the median of some rounds."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        for text in texts:
            masker.mask(text)
        times.append((time.process_time() - start) / len(texts) * 1e6)
    return statistics.median(times)


def speeds(items: list[dict], masker: PersonalDataMasker, length: int = 200) -> list[str]:
    """Markdown."""
    lines = ["", "| text of 200 characters | language | microseconds |", "|---|---|---:|"]
    for language in LANGUAGES:
        joined = " ".join(item["text"] for item in items if item["language"] == language and not item["spans"])
        dense = [joined[start : start + length] for start in range(0, len(joined) - length, length // 4)]
        plain = [re.sub("[0-9]", "x", text) for text in dense]
        for name, texts in (("full of numbers", dense), ("without digits", plain)):
            lines.append(f"| {name} | {language} | {microseconds(texts, masker):.0f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=["open", "sealed"], default="open")
    parser.add_argument("--speed", action="store_true", help="measure the time as well")
    arguments = parser.parse_args()
    lines = (FOLDER / f"{arguments.set}.jsonl").read_text(encoding="utf-8").splitlines()
    masker = PersonalDataMasker(KINDS, regions=["US", "GB", "CN"])
    items = [json.loads(line) for line in lines]
    print(*table(count(items, masker)), sep="\n")
    if arguments.speed:
        print(*speeds(items, masker), sep="\n")


if __name__ == "__main__":
    main()
