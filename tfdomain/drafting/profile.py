"""What stands in files of rows: how many, how long, in which languages, with which labels, how often the same."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfdomain.data.label_sets import label_set_ids, label_set_names
from tfdomain.data.rows import Rows
from tfdomain.data.targets import target_values
from tfdomain.data.token_estimates import estimate_tokens
from tfdomain.preparation.language import UNDETERMINED, detect_languages
from tfdomain.preparation.minhash import TEXT_KEYS, signatures

__all__ = ["Profile", "Spread", "profile_rows", "texts_profile"]

SAMPLED_TEXTS = 400
BATCH_ROWS = 20_000


class Spread(NamedTuple):
    """How lengths are spread."""

    median: int
    p95: int
    p99: int
    longest: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Profile:
    """What the rows of training files are like.

    Attributes:
        task: What the labels are read as.
        num_rows: Sound rows, those with an empty text among them.
        characters: The lengths of the texts that are not empty; of pairs, of both together.
        tokens: Likewise, as `estimate_tokens` has it.
        languages: The share of each language among those texts of a sample whose language can be told.
        num_empty: Rows with an empty text.
        num_duplicates: Rows whose text (or pair) stood in an earlier row.
        num_conflicts: Of these, those with another label than the first.
        faults: How often rows have each fault.
        labels: How many rows have each label, the most frequent first; of entities, how many there are.
        num_unlabelled: Of label sets, rows with none; of tagging, texts without an entity.
        numbers: Of regression, each target's least, mean and largest value.
        scheme: Of tagging, what the tags follow; None where the files give spans.
        num_repaired: Of tagging, tags that break their scheme.
        num_overlaps: Of tagging, entities that overlap a longer one.
        held_out: The rows of each file that is not trained on, by `validation` and `test`.
        unseen: The labels that only those files have.
    """

    task: str
    num_rows: int
    characters: Spread
    tokens: Spread
    languages: dict[str, float]
    num_empty: int
    num_duplicates: int
    num_conflicts: int = 0
    faults: dict[str, int] = dataclasses.field(default_factory=dict)
    labels: dict[str, int] = dataclasses.field(default_factory=dict)
    num_unlabelled: int = 0
    numbers: dict[str, tuple[float, float, float]] = dataclasses.field(default_factory=dict)
    scheme: str | None = None
    num_repaired: int = 0
    num_overlaps: int = 0
    held_out: dict[str, int] = dataclasses.field(default_factory=dict)
    unseen: tuple[str, ...] = ()

    @property
    def num_faults(self) -> int:
        """How many rows have a fault."""
        return sum(self.faults.values())

    @property
    def num_usable(self) -> int:
        """How many rows have a text."""
        return self.num_rows - self.num_empty

    @property
    def language(self) -> str | None:
        """The language of most texts, if they have one."""
        name, share = next(iter(self.languages.items()), ("", 0.0))
        return name if share >= 0.8 else None


def profile_rows(
    rows: Rows,
    task: str,
    *,
    labels: Sequence[str],
    delimiter: str = "|",
    advance: Callable[[int], object] = lambda count: None,
) -> Profile:
    """Looks at every row; texts stay on the disk.

    Args:
        rows: As `read_rows` gives them with `require_text=False`: the label of a classification as `label`, label
            sets and numbers as `extra` columns.
        task: `classification`, `multilabel` or `regression`.
        labels: The label columns.
        delimiter: Of label sets in a column, what stands between two.
        advance: Told of the rows done.

    Raises:
        InputError: Not one row has labels that can be read.
    """
    columns = {name: rows.table.column(name) for name in labels}
    found, bad = _labels_of(columns, task, delimiter, rows.where)
    # Numbers of one text may differ, and lists are not compared.
    answer = next(iter(columns.values())) if task != "regression" and len(columns) == 1 else None
    if answer is not None and not pa.types.is_string(answer.type):
        answer = None
    profile = texts_profile(rows.texts, answer, task=task, advance=advance)
    return dataclasses.replace(profile, faults={**_count_faults(rows), **bad}, **found)


def texts_profile(
    texts: Sequence[pa.ChunkedArray],
    labels: pa.ChunkedArray | None = None,
    *,
    task: str,
    advance: Callable[[int], object] = lambda count: None,
) -> Profile:
    """What there is to say of texts alone, and whether equal ones have equal labels.

    Args:
        texts: One column, or the two of pairs, each of strings `[n]`.
        labels: Strings `[n]` that equal texts are expected to share; None: nothing is expected.
        task: For the profile.
        advance: Told of the rows done.
    """
    num_rows = len(texts[0])
    characters, tokens, is_empty = np.zeros(num_rows, np.int64), np.zeros(num_rows, np.int64), np.zeros(num_rows, bool)
    keys = np.zeros(num_rows, np.uint64)
    for begin, parts in _batches(texts):
        place = slice(begin, begin + len(parts[0]))
        for part in parts:
            characters[place] += pc.utf8_length(part).to_numpy()
            tokens[place] += estimate_tokens(part)
            is_empty[place] |= pc.or_(pc.equal(part, ""), pc.utf8_is_space(part)).to_numpy(zero_copy_only=False)
        joined = ["\x1f".join(row) for row in zip(*(part.to_pylist() for part in parts), strict=True)]
        # 64 bits: among ten million texts two share them by chance once in 300,000 files.
        keys[place] = signatures(joined, near=False).column(TEXT_KEYS[0]).to_numpy()
        advance(len(joined))
    is_repeated, first = _repeated(keys, ~is_empty)
    return Profile(
        task=task,
        num_rows=num_rows,
        characters=_spread(characters[~is_empty]),
        tokens=_spread(tokens[~is_empty]),
        languages=_languages(texts[0], np.flatnonzero(~is_empty)),
        num_empty=int(is_empty.sum()),
        num_duplicates=int(is_repeated.sum()),
        num_conflicts=0 if labels is None else _conflicts(labels, is_repeated, first),
    )


def _count_faults(rows: Rows) -> dict[str, int]:
    """How often rows that were skipped in reading have each fault, most often first."""
    counts = Counter[str]()
    for (_, problem), count in rows.faults.counts.items():
        counts[problem] += count
    return dict(counts.most_common())


def _labels_of(
    columns: Mapping[str, pa.ChunkedArray], task: str, delimiter: str, where: Callable[[int], str]
) -> tuple[dict[str, Any], dict[str, int]]:
    """What the profile says of the labels, and the faults in them."""
    names = list(columns)
    if task == "regression":
        targets = target_values(list(columns.values()), names, on_bad="skip")
        sound = targets.values[targets.sound].astype(float)
        if not len(sound):
            # What is wrong with them is told after all.
            target_values(list(columns.values()), names, where=where)
        stacked = zip(names, sound.min(axis=0), sound.mean(axis=0), sound.max(axis=0), strict=True)
        faults = {f"{kind} in {' or '.join(map(repr, names))}": count for kind, count in targets.counts.items()}
        return {"numbers": {name: tuple(map(float, three)) for name, *three in stacked}}, faults
    if task == "classification":
        [column] = columns.values()
        return {"labels": _by_frequency({each["values"]: each["counts"] for each in _value_counts(column)})}, {}
    sets: Any = dict(columns) if len(columns) > 1 else next(iter(columns.values()))
    labels = label_set_names(sets, delimiter=delimiter, on_bad="skip")
    counts, num_unlabelled, num_bad = np.zeros(len(labels), np.int64), 0, 0
    for begin in range(0, len(next(iter(columns.values()))), BATCH_ROWS):
        part = {name: column.slice(begin, BATCH_ROWS) for name, column in columns.items()}
        taken: Any = part if len(columns) > 1 else next(iter(part.values()))
        ids = label_set_ids(taken, labels, delimiter=delimiter, on_bad="skip")
        sound = ids[(ids >= 0).all(axis=1)]
        counts += sound.sum(axis=0)
        num_unlabelled += int((sound.sum(axis=1) == 0).sum())
        num_bad += len(ids) - len(sound)
    if num_bad == len(next(iter(columns.values()))):
        label_set_names(sets, delimiter=delimiter, where=where)
    faults = {"labels that cannot be read": num_bad} if num_bad else {}
    named = _by_frequency(dict(zip(labels, counts.tolist(), strict=True)))
    return {"labels": named, "num_unlabelled": num_unlabelled}, faults


def _value_counts(column: pa.ChunkedArray) -> list[dict[str, Any]]:
    return pc.value_counts(column).to_pylist()


def _by_frequency(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _batches(texts: Sequence[pa.ChunkedArray]) -> Iterator[tuple[int, list[pa.Array]]]:
    for begin in range(0, len(texts[0]), BATCH_ROWS):
        yield begin, [pa.concat_arrays(column.slice(begin, BATCH_ROWS).chunks) for column in texts]


def _spread(lengths: np.ndarray) -> Spread:
    if not len(lengths):
        return Spread(0, 0, 0, 0)
    # A value that a text has, not one between two.
    middle = np.quantile(lengths, [0.5, 0.95, 0.99], method="higher")
    median, p95, p99 = (int(value) for value in middle)
    return Spread(median, p95, p99, int(lengths.max()))


def _repeated(keys: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which rows have a key that an earlier one has, and of each row the first with its key."""
    _, first, places = np.unique(keys, return_index=True, return_inverse=True)
    of_row = first[places]
    return chosen & (of_row != np.arange(len(keys))), of_row


def _conflicts(labels: pa.ChunkedArray, is_repeated: np.ndarray, first: np.ndarray) -> int:
    rows = np.flatnonzero(is_repeated)
    own, other = labels.take(pa.array(rows)), labels.take(pa.array(first[rows]))
    return int(pc.sum(pc.not_equal(own, other)).as_py() or 0)


def _languages(texts: pa.ChunkedArray, rows: np.ndarray) -> dict[str, float]:
    # Evenly over the files: their beginning may be all of one kind.
    chosen = rows[np.linspace(0, len(rows) - 1, min(len(rows), SAMPLED_TEXTS)).astype(np.int64)]
    found = Counter(name for name, _ in detect_languages(texts.take(pa.array(chosen)).to_pylist()))
    del found[UNDETERMINED]
    return {name: count / found.total() for name, count in found.most_common()}
