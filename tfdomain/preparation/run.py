"""From raw files to a described data set."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfdomain.config.preparation import Preparation
from tfdomain.errors import InputError
from tfdomain.files import read_json
from tfdomain.preparation.card import write_card
from tfdomain.preparation.deduplication import Found, list_conflicts
from tfdomain.preparation.output import write_splits
from tfdomain.preparation.parts import Part, Tally, output_schema
from tfdomain.preparation.removed import RemovedList, write_list
from tfdomain.preparation.runner import LocalRunner, Runner
from tfdomain.preparation.shards import Shard
from tfdomain.preparation.splits import classes_to_training, split_by_time, time_bounds
from tfdomain.preparation.state import State
from tfdomain.preparation.summary import Changes, summarize

__all__ = ["prepare"]


def prepare(
    files: Sequence[Path], folder: Path, preparation: Preparation, *, runner: Runner | None = None
) -> dict[str, Any]:
    """Makes a data set of raw files, or adds to one what is new.

    `folder` gets `train.parquet`, `validation.parquet` and `test.parquet`, `data_card.json`, `data_card.md` with its
    pictures, `removed.csv` with every row that is in none of the three, and `conflicting_labels.csv`. Rows that were
    there before keep their place. A run that was interrupted goes on when it is started again.

    Args:
        files: What to read. Those whose content is in the folder already are not read again.
        folder: An empty or new folder, or one that was prepared with the same settings.
        preparation: Columns, steps and shares.
        runner: What does the work; None: this machine.

    Returns:
        The data card: `rows_read`, `rows_written`, `steps` of `name`, `removed`, `changed` and `rows`, and more.

    Raises:
        InputError: A file cannot be read, nothing is left, or the folder holds something else.
        TfdomainError: The disk is full.
    """
    _check(preparation)
    runner = LocalRunner() if runner is None else runner
    state = State(folder, preparation)
    new = state.new_files(files)
    before = {} if new or not (folder / "data_card.json").exists() else read_json(folder / "data_card.json")
    # Predictions may have changed under the same name.
    if before.get("preparation") == preparation.model_dump(mode="json") and preparation.quality_predictions is None:
        return before
    batches = [*state.batches, *([state.add(new, runner)] if new else [])]
    shards, known = state.shards(batches), state.splits()

    splits, bounds, num_without_time = _choose_splits(shards, state, known)
    found = _drop_duplicates(shards, splits, len(known), state, runner)
    classes, class_names = _read_classes(shards)
    moved = _move_to_training(splits, classes, len(known), preparation)
    if not (splits >= 0).any():
        raise InputError("no row is left", where=str(folder), mend="turn off a step that removes rows (--set)")

    schema, tally, changes = output_schema(shards, preparation), Tally(), Changes(len(known) if new else 0)
    with RemovedList(folder / "removed.csv") as removed:
        removed.add_faults(batches)
        parts = runner.make_parts(shards, splits, schema, preparation, state.folder, with_words=changes.are_asked)
        parts = _noted(parts, shards, removed, tally, changes)
        write_splits(parts, schema, folder, num_rows=int((splits >= 0).sum()))
        removed.add_duplicates(found.dropped, shards)
    conflicts = list_conflicts(found.copies, shards, classes, class_names)
    card = summarize(batches, preparation, removed.reasons, tally, splits, classes, class_names)
    card |= {
        "moved_to_training": len(moved),
        "without_time": num_without_time,
        "conflicting_labels": write_list(folder / "conflicting_labels.csv", ("text", "labels", "places"), conflicts),
        "suspicious_labels": None,
        "judged_labels": None,
        "changes": changes.tell(splits, classes, class_names),
    }
    # Where nothing is new, what the last files did is still of interest.
    card |= {name: before[name] for name in ("moved_to_training", "changes") if before}
    if preparation.steps.label_quality:
        from tfdomain.preparation.review import write_review

        card["suspicious_labels"], card["judged_labels"] = write_review(shards, splits, preparation, folder)
    state.save(batches, splits, bounds, found)
    write_card(card, folder)
    return card


def _check(preparation: Preparation) -> None:
    """What can be wrong before anything is read."""
    # What these steps load takes a while, and most runs want none.
    if preparation.steps.label_quality:
        from tfdomain.preparation.review import check_review

        check_review(preparation)
    if preparation.steps.language:
        from tfdomain.preparation.language import check_languages

        check_languages(preparation.languages)
    if preparation.steps.names:
        from tfdomain.preparation.personal_names import installed_models

        installed_models(preparation.languages, preparation.name_models)


def _choose_splits(
    shards: Sequence[Shard], state: State, known: np.ndarray
) -> tuple[np.ndarray, list[float] | None, int]:
    """Each row's place in `SPLITS`, -1 where a step on its text left it out; and the moments between splits."""
    num_rows, by_time = sum(shard.num_rows for shard in shards), state.preparation.time is not None
    bounds, num_without_time = state.manifest["time_bounds"], 0
    column = "moment" if by_time else "split"
    found: np.ndarray = np.empty(num_rows, np.float64 if by_time else np.int8)
    is_dropped = np.empty(num_rows, bool)
    for shard in shards:
        rows, table = _rows_of(shard), shard.read(column, "dropped")
        found[rows] = table.column(column).to_numpy()
        is_dropped[rows] = table.column("dropped").is_valid().to_numpy()
    if by_time:
        bounds = time_bounds(found, state.preparation.split) if bounds is None else bounds
        found = split_by_time(found, bounds)
        num_without_time = int((found < 0).sum())
        found = np.maximum(found, 0)
    found[is_dropped] = -1
    found[: len(known)] = known
    return found, bounds, num_without_time


def _drop_duplicates(
    shards: Sequence[Shard], splits: np.ndarray, num_known: int, state: State, runner: Runner
) -> Found:
    """What is found among all rows; those that go lose their place in `splits`."""
    steps, found = state.preparation.steps, Found()
    if (steps.duplicates or steps.near_duplicates) and num_known < len(splits):
        kept = np.zeros(len(splits), bool)
        kept[:num_known] = splits[:num_known] >= 0
        found = runner.find_duplicates(shards, splits, kept, state.preparation, state.folder)
        splits[found.dropped.column("row").to_numpy()] = -1
    return state.with_earlier(found)


def _read_classes(shards: Sequence[Shard]) -> tuple[np.ndarray, list[str]]:
    """int32 `[num_rows]`, the number of each row's label, -1 where there is none; and the labels by their numbers."""
    numbers: dict[str, int] = {}
    codes = np.empty(sum(shard.num_rows for shard in shards), np.int32)
    for shard in shards:
        encoded = shard.read("label").column(0).combine_chunks().dictionary_encode()
        own = [numbers.setdefault(name, len(numbers)) for name in encoded.dictionary.to_pylist()]
        # The last place, -1, is of rows without a label.
        places = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        codes[_rows_of(shard)] = np.array([*own, -1], np.int32)[places]
    names = sorted(numbers)
    order = np.argsort([numbers[name] for name in names])
    return np.append(order, -1).astype(np.int32)[codes], names


def _move_to_training(splits: np.ndarray, classes: np.ndarray, num_known: int, preparation: Preparation) -> np.ndarray:
    """Moves new rows of classes that have none in training; groups and times stay what they are."""
    if preparation.label is None or preparation.group is not None or preparation.time is not None:
        return np.empty(0, np.int64)
    rows = classes_to_training(splits, classes)
    rows = rows[rows >= num_known]
    splits[rows] = 0
    return rows


def _noted(
    parts: Iterator[Part], shards: Sequence[Shard], removed: RemovedList, tally: Tally, changes: Changes
) -> Iterator[Part]:
    """The parts, with what is counted in them written down on the way."""
    for shard, part in zip(shards, parts, strict=True):
        removed.add_dropped(part)
        tally.add(part.counts)
        changes.add(shard, part)
        yield part


def _rows_of(shard: Shard) -> slice:
    return slice(shard.first_row, shard.first_row + shard.num_rows)
