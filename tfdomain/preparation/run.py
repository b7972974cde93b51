"""From raw files to a described data set."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tfdomain.config.preparation import Preparation
from tfdomain.data.progress import bar
from tfdomain.errors import InputError
from tfdomain.files import read_json
from tfdomain.preparation.card import write_card
from tfdomain.preparation.deduplication import Duplicate, drop_duplicates, list_conflicts
from tfdomain.preparation.output import write_splits
from tfdomain.preparation.removed import Places, Reasons, Removal, faulty_rows, write_list
from tfdomain.preparation.review import check_review, write_review
from tfdomain.preparation.shards import Shard
from tfdomain.preparation.splits import SPLITS, classes_to_training, split_by_hash, split_by_time, time_bounds
from tfdomain.preparation.state import State
from tfdomain.preparation.vocabulary import compare_vocabularies, count_words

__all__ = ["prepare"]


def prepare(files: Sequence[Path], folder: Path, preparation: Preparation) -> dict[str, Any]:
    """Makes a data set of raw files, or adds to one what is new.

    `folder` gets `train.parquet`, `validation.parquet` and `test.parquet`, `data_card.json`, `data_card.md` with its
    pictures, `removed.csv` with every row that is in none of the three, and `conflicting_labels.csv`. Rows that were
    there before keep their place. A run that was interrupted goes on when it is started again.

    Args:
        files: What to read. Those whose content is in the folder already are not read again.
        folder: An empty or new folder, or one that was prepared with the same settings.
        preparation: Columns, steps and shares.

    Returns:
        The data card: `rows_read`, `rows_written`, `steps` of `name`, `removed`, `changed` and `rows`, and more.

    Raises:
        InputError: A file cannot be read, nothing is left, or the folder holds something else.
        TfdomainError: The disk is full.
    """
    if preparation.steps.label_quality:
        check_review()
    if preparation.steps.language:
        # Its model takes a while to load, and most runs want none.
        from tfdomain.preparation.language import check_languages

        check_languages(preparation.languages)
    state = State(folder, preparation)
    new = state.new_files(files)
    if not new and (folder / "data_card.json").exists():
        return read_json(folder / "data_card.json")
    batches = [*state.batches, *([state.add(new)] if new else [])]
    shards, known = state.shards(batches), state.splits()

    splits, bounds, num_without_time = _split(shards, state, known)
    kept = np.zeros(len(splits), bool)
    kept[: len(known)] = known >= 0
    duplicates, found = drop_duplicates(shards, splits, kept, preparation, state.folder)
    splits[[duplicate.row for duplicate in duplicates]] = -1
    classes, class_names = _classes(shards, preparation)
    moved = _moved_to_training(splits, classes, len(known), preparation)
    splits[moved] = 0
    if not (splits >= 0).any():
        raise InputError("no row is left", where=str(folder), mend="turn off a step that removes rows (--set)")

    written = write_splits(shards, splits, folder, preparation)
    conflicts = list_conflicts(found, shards, classes, class_names)
    card = _card(batches, shards, splits, duplicates, written, classes, class_names, preparation, folder)
    card |= {
        "moved_to_training": len(moved),
        "without_time": num_without_time,
        "conflicting_labels": write_list(folder / "conflicting_labels.csv", ("text", "labels", "places"), conflicts),
        "suspicious_labels": None,
        "changes": _changes(shards, len(known), splits, classes, class_names),
    }
    if preparation.steps.label_quality:
        card["suspicious_labels"] = write_review(shards, splits, preparation, folder)
    state.save(batches, splits, bounds)
    write_card(card, folder)
    return card


def _split(shards: Sequence[Shard], state: State, known: np.ndarray) -> tuple[np.ndarray, list[float] | None, int]:
    """Each row's place in `SPLITS`, -1 where a step on its text left it out; and the moments between splits."""
    preparation, bounds = state.preparation, state.manifest["time_bounds"]
    by_time = preparation.time is not None
    if by_time and bounds is None:
        bounds = time_bounds(_column(shards, "time").to_pylist(), preparation.split)
    splits = np.empty(sum(shard.num_rows for shard in shards), "int8")
    num_without_time = 0
    for shard in shards:
        rows = slice(shard.first_row, shard.first_row + shard.num_rows)
        table = shard.read("text", "label", "group", "time", "dropped")
        columns = {name: table.column(name).to_pylist() for name in ("text", "label", "group", "time")}
        if by_time:
            found = split_by_time(columns["time"], bounds)
            num_without_time += int((found < 0).sum())
            found = np.maximum(found, 0)
        elif preparation.group is not None:
            # A row of no group stands alone.
            keys = [group or text for group, text in zip(columns["group"], columns["text"], strict=True)]
            found = split_by_hash(keys, preparation.split, seed=preparation.seed)
        else:
            labels = None if preparation.label is None else columns["label"]
            found = split_by_hash(columns["text"], preparation.split, seed=preparation.seed, labels=labels)
        found[table.column("dropped").is_valid().to_numpy(zero_copy_only=False)] = -1
        splits[rows] = found
    splits[: len(known)] = known
    return splits, bounds, num_without_time


def _classes(shards: Sequence[Shard], preparation: Preparation) -> tuple[np.ndarray, list[str]]:
    """The number of each row's label, -1 where there is none, and the labels by their numbers."""
    if preparation.label is None:
        return np.full(sum(shard.num_rows for shard in shards), -1), []
    encoded = _column(shards, "label").dictionary_encode().combine_chunks()
    encoded = encoded.chunk(0) if isinstance(encoded, pa.ChunkedArray) else encoded
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    names = encoded.dictionary.to_pylist()
    order = np.argsort(np.array(names, object), kind="stable")
    return np.append(np.argsort(order), -1)[codes], [names[place] for place in order]


def _moved_to_training(splits: np.ndarray, classes: np.ndarray, num_known: int, preparation: Preparation) -> np.ndarray:
    if preparation.label is None or preparation.group is not None or preparation.time is not None:
        return np.empty(0, np.int64)
    rows = classes_to_training(splits, classes)
    return rows[rows >= num_known]


def _column(shards: Sequence[Shard], name: str) -> pa.ChunkedArray:
    return pa.chunked_array([chunk for shard in shards for chunk in shard.read(name).column(0).chunks], pa.string())


def _card(
    batches: Sequence[Mapping[str, Any]],
    shards: Sequence[Shard],
    splits: np.ndarray,
    duplicates: Sequence[Duplicate],
    written: Sequence[Mapping[str, Any]],
    classes: np.ndarray,
    class_names: Sequence[str],
    preparation: Preparation,
    folder: Path,
) -> dict[str, Any]:
    """What the steps did, and what the splits hold; `removed.csv` is written on the way."""
    reasons = Reasons()
    header = ("place", "row", "step", "reason", "duplicate_of")
    write_list(folder / "removed.csv", header, _removals(batches, shards, duplicates, reasons))
    changed: Counter[str] = Counter()
    masked: Counter[str] = Counter()
    for shard in shards:
        table = shard.read("cleaned", "masked")
        changed.update({name: int(np.sum(table.column(name).to_numpy())) for name in ("cleaned", "masked")})
        masked.update(shard.counts()["masked"])
    num_read = len(splits) + sum(count for (step, _), count in reasons.counts.items() if step == "read")
    steps, rows = [], num_read
    for name, is_on, num_changed in (
        ("read", True, 0),
        ("clean", preparation.steps.clean, changed["cleaned"]),
        ("language", preparation.steps.language, 0),
        ("personal_data", preparation.steps.personal_data or preparation.steps.names, changed["masked"]),
        ("duplicates", preparation.steps.duplicates, 0),
        ("near_duplicates", preparation.steps.near_duplicates, 0),
    ):
        if is_on:
            told = reasons.of(name)
            rows -= told["removed"]
            found = {"found": dict(masked.most_common())} if name == "personal_data" else {}
            steps.append({"name": name, "changed": num_changed, "rows": rows, **told, **found})
    counts = np.bincount(classes[(classes >= 0) & (splits >= 0)], minlength=len(class_names))
    shares = {}
    for name, split, wanted in zip(SPLITS, written, preparation.split, strict=True):
        shares[name] = {**split, "share": split["rows"] / max(rows, 1), "wanted": wanted}
    by = "time" if preparation.time else f"hash of {preparation.group}" if preparation.group else "hash of the text"
    return {
        "rows_read": num_read,
        "rows_written": sum(split["rows"] for split in written),
        "files": [file for batch in batches for file in batch["files"]],
        "preparation": preparation.model_dump(mode="json"),
        "steps": steps,
        "splits": shares,
        "split_by": by,
        "labels": [class_names[place] for place in np.argsort(-counts, kind="stable").tolist() if counts[place]],
        "rare_classes": {
            class_names[place]: int(counts[place])
            for place in np.flatnonzero(counts < preparation.min_class_rows).tolist()
        },
        "classes_missing": {
            name: missing
            for name, split in shares.items()
            if split["wanted"] > 0 and (missing := [label for label in class_names if label not in split["labels"]])
        },
    }


def _removals(
    batches: Sequence[Mapping[str, Any]],
    shards: Sequence[Shard],
    duplicates: Sequence[Duplicate],
    reasons: Reasons,
) -> Iterator[tuple]:
    places = Places(shards)
    for removal in faulty_rows(batches, reasons):
        yield removal
    for shard in shards:
        table = shard.read("row", "file", "line", "dropped")
        table = table.filter(table.column("dropped").is_valid())
        for row, file, line, dropped in zip(*(column.to_pylist() for column in table.columns), strict=True):
            step, _, reason = dropped.partition(": ")
            removal = Removal(f"{shard.file_names[file]}:{line}", row, step, reason)
            reasons.add(removal)
            yield removal
    for start in range(0, len(duplicates), 10_000):
        part = duplicates[start : start + 10_000]
        found = places.find(np.array([row for each in part for row in (each.row, each.of)], np.int64))
        for each in part:
            removal = Removal(found[each.row], each.row, each.step, each.reason, found[each.of])
            reasons.add(removal)
            yield removal


def _changes(
    shards: Sequence[Shard], num_before: int, splits: np.ndarray, classes: np.ndarray, class_names: Sequence[str]
) -> dict[str, Any] | None:
    """How the rows of the last files differ from those before; None where there were none before."""
    if not num_before:
        return None
    words: list[Counter[str]] = [Counter(), Counter()]
    with bar("comparing", total=len(splits)) as advance:
        for shard in shards:
            texts = shard.read("text").column(0)
            kept = pa.array(splits[shard.first_row : shard.first_row + shard.num_rows] >= 0)
            count_words(texts.filter(kept).to_pylist(), words[int(shard.first_row >= num_before)])
            advance(shard.num_rows)
    is_new = np.arange(len(splits)) >= num_before
    kept = splits >= 0
    shares = []
    for part in (kept & ~is_new, kept & is_new):
        counts = np.bincount(classes[part & (classes >= 0)], minlength=len(class_names))
        shares.append(counts / max(counts.sum(), 1))
    return {
        "rows_before": int((kept & ~is_new).sum()),
        "rows_now": int(kept.sum()),
        "label_shares": {name: [float(share[place]) for share in shares] for place, name in enumerate(class_names)},
        "vocabulary": compare_vocabularies(*words),
    }
