"""The data card: what a data set holds, and how it came to be, for programs and for people."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tfdomain.files import whole_file, write_json
from tfdomain.fonts import drawable_name, font_families
from tfdomain.preparation.splits import SPLITS

__all__ = ["card_text", "write_card"]

SHOWN_ROWS, SHOWN_LABELS, SHOWN_FILES = 10, 40, 20


def write_card(card: Mapping[str, Any], folder: Path) -> None:
    """Writes `data_card.json`, `data_card.md` and the pictures that it shows.

    Args:
        card: What `prepare` counted.
        folder: The prepared folder.
    """
    pictures = _draw(card, folder)
    with whole_file(folder / "data_card.md") as file:
        file.write("\n".join([*_lines(card), *(f"\n![{title}]({name})" for name, title in pictures.items()), ""]))
    # Last, so that a card says that all else is there.
    write_json(folder / "data_card.json", card)


def card_text(card: Mapping[str, Any]) -> str:
    """What a person at a terminal wants to know of a card."""
    lines = [f"{card['rows_read']:,} rows read, {card['rows_written']:,} written"]
    for step in card["steps"]:
        parts = [f"{step[name]:,} {name}" for name in ("changed", "removed") if step[name]]
        found = ", ".join(f"{count:,} {kind}" for kind, count in step.get("found", {}).items())
        lines.append(f"  {step['name']:<16}{', '.join(parts) or 'nothing to do'}{f' ({found})' if found else ''}")
    lines += [f"  {name:<16}{split['rows']:,} rows, {split['share']:.1%}" for name, split in card["splits"].items()]
    lines += [line.replace("- ", "  ", 1) for line in _remarks(card)[3:-1]]
    return "\n".join(lines)


def _lines(card: Mapping[str, Any]) -> list[str]:
    lines = ["# Data card", "", f"{card['rows_read']:,} rows read, {card['rows_written']:,} written.", ""]
    files = card["files"]
    lines += [f"- {file['name']} (SHA-256 `{file['sha256'][:12]}`)" for file in files[:SHOWN_FILES]]
    lines += [f"- and {len(files) - SHOWN_FILES:,} more"] * (len(files) > SHOWN_FILES)
    lines += ["", "## Steps", "", "| step | removed | changed | rows left |", "|---|---|---|---|"]
    lines += [
        f"| {step['name']} | {step['removed']:,} | {step['changed']:,} | {step['rows']:,} |" for step in card["steps"]
    ]
    lines += [""]
    for step in card["steps"]:
        lines += _details(step)
    lines += ["", "## Splits", "", "| split | rows | share | asked for |", "|---|---|---|---|"]
    for name in SPLITS:
        split = card["splits"][name]
        lines.append(f"| {name} | {split['rows']:,} | {split['share']:.4f} | {split['wanted']:.4f} |")
    lines += ["", f"Decided by {card['split_by']}."]
    if card["labels"]:
        lines += ["", "## Labels", "", "| label | " + " | ".join(SPLITS) + " |", "|---|" + "---|" * len(SPLITS)]
        for label in card["labels"][:SHOWN_LABELS]:
            counts = [card["splits"][name]["labels"].get(label, 0) for name in SPLITS]
            lines.append(f"| {_cell(label)} | " + " | ".join(f"{count:,}" for count in counts) + " |")
        lines += [f"\nand {len(card['labels']) - SHOWN_LABELS:,} more"] * (len(card["labels"]) > SHOWN_LABELS)
    lines += _remarks(card)
    if card["changes"] is not None:
        lines += _changes(card["changes"])
    return lines


def _details(step: Mapping[str, Any]) -> list[str]:
    lines = []
    if step.get("found"):
        lines.append(f"- {step['name']}: " + ", ".join(f"{count:,} {kind}" for kind, count in step["found"].items()))
    for reason, places in step.get("examples", {}).items():
        count = step["reasons"][reason]
        shown = ", ".join(places) + (f" and {count - len(places):,} more" if count > len(places) else "")
        lines.append(f"- {step['name']}, {reason}: {count:,} ({shown})")
    return lines


def _remarks(card: Mapping[str, Any]) -> list[str]:
    lines = []
    if card["rare_classes"]:
        lines.append(
            f"- rare classes: {', '.join(f'{_cell(name)} ({count})' for name, count in card['rare_classes'].items())}"
        )
    if card["classes_missing"]:
        for name, labels in card["classes_missing"].items():
            lines.append(f"- no row in {name}: {', '.join(map(_cell, labels[:SHOWN_LABELS]))}")
    if card["moved_to_training"]:
        lines.append(f"- {card['moved_to_training']:,} rows of classes without a row in training were put there")
    if card["without_time"]:
        lines.append(f"- {card['without_time']:,} rows without a time that can be read went to training")
    if card["conflicting_labels"]:
        lines.append(f"- {card['conflicting_labels']:,} texts have several labels: conflicting_labels.csv")
    if card["suspicious_labels"] is not None:
        lines.append(
            f"- {card['suspicious_labels']:,} of {card['judged_labels']:,} labels look wrong: suspicious_labels.csv, "
            "class_overlap.csv"
        )
    lines.append("- every row that was left out, with its place and the reason: removed.csv")
    return ["", "## Remarks", "", *lines]


def _changes(changes: Mapping[str, Any]) -> list[str]:
    lines = ["", "## What the last files changed", ""]
    lines.append(f"- rows: {changes['rows_before']:,} before, {changes['rows_now']:,} now")
    for label, (before, now) in list(changes["label_shares"].items())[:SHOWN_LABELS]:
        lines.append(f"- {_cell(label)}: {before:.4f} of the rows before, {now:.4f} of the new ones")
    vocabulary = changes["vocabulary"]
    lines.append(
        f"- words: Jensen-Shannon divergence {vocabulary['divergence']:.4f} bits (0: the same, 1: none in common); "
        f"{vocabulary['unknown_rate']:.4f} of the new words never occurred before"
    )
    if vocabulary["new_words"]:
        lines.append(f"- most frequent of those: {', '.join(map(_cell, vocabulary['new_words']))}")
    return lines


def _cell(text: Any) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def _draw(card: Mapping[str, Any], folder: Path) -> dict[str, str]:
    pictures = {}
    histograms: dict[str, tuple[str, Sequence[Any]]] = {"lengths.png": ("Characters of a text", [])}
    if card["labels"]:
        histograms["labels.png"] = ("Rows of a label", card["labels"][:SHOWN_LABELS])
    for name, (title, labels) in histograms.items():
        figure = Figure(figsize=(8, max(3, 0.25 * len(labels))), dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        left = [0] * len(labels)
        for split in SPLITS:
            found = card["splits"][split]
            if labels:
                counts = [found["labels"].get(label, 0) for label in labels]
                axes.barh(range(len(labels)), counts, left=left, label=split)
                left = [start + count for start, count in zip(left, counts, strict=True)]
            elif found["lengths"]:
                bins = sorted((int(length), count) for length, count in found["lengths"].items())
                axes.step([length for length, _ in bins], [count for _, count in bins], where="post", label=split)
        if labels:
            names = [drawable_name(_cell(label), place) for place, label in enumerate(labels)]
            axes.set_yticks(range(len(labels)), names, fontsize=7, fontfamily=font_families(), parse_math=False)
            axes.invert_yaxis()
        else:
            axes.set_xscale("symlog", linthresh=100)
        axes.set_xlabel(title if not labels else "rows")
        axes.set_title(title)
        axes.legend()
        with whole_file(folder / name, "wb") as file:
            figure.savefig(file, format="png")
        pictures[name] = title
    return pictures
