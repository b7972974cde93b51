"""What a data card tells: what the steps did, what the splits hold, and how new rows differ from those before."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfdomain.config.preparation import Preparation
from tfdomain.preparation.parts import Part, Tally
from tfdomain.preparation.removed import Reasons
from tfdomain.preparation.shards import Shard
from tfdomain.preparation.splits import SPLITS
from tfdomain.preparation.vocabulary import add_words, compare_vocabularies

__all__ = ["Changes", "summarize"]


def summarize(
    batches: Sequence[Mapping[str, Any]],
    preparation: Preparation,
    reasons: Reasons,
    tally: Tally,
    splits: np.ndarray,
    classes: np.ndarray,
    class_names: Sequence[str],
) -> dict[str, Any]:
    """The part of the card that follows from what was counted.

    Args:
        batches: What was added each time (`state.State.batches`).
        preparation: Which steps, and which shares were asked for.
        reasons: Why rows were left out.
        tally: What the rows that are kept hold.
        splits: int8 `[num_rows]`, places in `SPLITS`; -1: left out.
        classes: Integers `[num_rows]`, places in `class_names`; -1: no label.
        class_names: The labels.
    """
    num_read = len(splits) + sum(count for (step, _), count in reasons.counts.items() if step == "read")
    steps, rows = _steps(preparation, reasons, tally, num_read)
    counts = np.bincount(classes[(classes >= 0) & (splits >= 0)], minlength=len(class_names))
    shares = {}
    for name, split, wanted in zip(SPLITS, tally.splits, preparation.split, strict=True):
        shares[name] = {**split, "share": split["rows"] / max(rows, 1), "wanted": wanted}
    by = "time" if preparation.time else f"hash of {preparation.group}" if preparation.group else "hash of the text"
    rare = np.flatnonzero(counts < preparation.min_class_rows).tolist()
    return {
        "rows_read": num_read,
        "rows_written": sum(split["rows"] for split in tally.splits),
        "files": [file for batch in batches for file in batch["files"]],
        "preparation": preparation.model_dump(mode="json"),
        "steps": steps,
        "splits": shares,
        "split_by": by,
        "labels": [class_names[place] for place in np.argsort(-counts, kind="stable").tolist() if counts[place]],
        "rare_classes": {class_names[place]: int(counts[place]) for place in rare},
        "classes_missing": {
            name: missing
            for name, split in shares.items()
            if split["wanted"] > 0 and (missing := [label for label in class_names if label not in split["labels"]])
        },
    }


def _steps(preparation: Preparation, reasons: Reasons, tally: Tally, rows: int) -> tuple[list[dict[str, Any]], int]:
    asked, steps = preparation.steps, []
    for name, is_on, num_changed in (
        ("read", True, 0),
        ("clean", asked.clean, tally.changed["cleaned"]),
        ("language", asked.language, 0),
        ("personal_data", asked.personal_data or asked.names, tally.changed["masked"]),
        ("duplicates", asked.duplicates, 0),
        ("near_duplicates", asked.near_duplicates, 0),
    ):
        if is_on:
            told = reasons.of(name)
            rows -= told["removed"]
            found = {"found": dict(tally.found.most_common())} if name == "personal_data" else {}
            steps.append({"name": name, "changed": num_changed, "rows": rows, **told, **found})
    return steps, rows


class Changes:
    """How the rows of the last files differ from those before.

    Args:
        num_before: How many rows there were before; 0 where nothing is compared.

    Attributes:
        are_asked: Whether there is anything to compare.
    """

    def __init__(self, num_before: int):
        self.are_asked = num_before > 0
        self._num_before = num_before
        self._words: list[Counter[str]] = [Counter(), Counter()]

    def add(self, shard: Shard, part: Part) -> None:
        """Takes in the words of a part."""
        if self.are_asked:
            add_words(self._words[int(shard.first_row >= self._num_before)], part.counts["words"])

    def tell(self, splits: np.ndarray, classes: np.ndarray, class_names: Sequence[str]) -> dict[str, Any] | None:
        """The numbers of rows, the shares of labels, and the words; None where nothing is compared."""
        if not self.are_asked:
            return None
        is_new = np.arange(len(splits)) >= self._num_before
        kept = splits >= 0
        shares = []
        for part in (kept & ~is_new, kept & is_new):
            counts = np.bincount(classes[part & (classes >= 0)], minlength=len(class_names))
            shares.append(counts / max(counts.sum(), 1))
        names = enumerate(class_names)
        return {
            "rows_before": int((kept & ~is_new).sum()),
            "rows_now": int(kept.sum()),
            "label_shares": {name: [float(share[place]) for share in shares] for place, name in names},
            "vocabulary": compare_vocabularies(*self._words),
        }
