"""Texts with labelled spans: the examples of tagging."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa

from tfdomain.data.examples import Encoded, Reading, fold_columns
from tfdomain.data.file_examples import FileExamples
from tfdomain.data.labels import alike, label_ids
from tfdomain.data.tag_schemes import Entity
from tfdomain.data.tagging import TaggedRows, read_tagged
from tfdomain.errors import InputError

__all__ = ["Annotation", "TaggedExamples", "entity_array"]


class Annotation(NamedTuple):
    """What is known of a text: its entities, sorted by their start, and where its words stand, if words were given."""

    entities: list[Entity]
    words: list[tuple[int, int]] | None = None


def entity_array(entities: Sequence[Sequence[Entity]], labels: Sequence[str]) -> np.ndarray:
    """The entities of texts as one array, as a loss takes them.

    Args:
        entities: Those of each of `n` texts, sorted by their start; each label is one of `labels`.
        labels: The entity types.

    Returns:
        int32 `[n, most entities of a text, 3]`: start, end and the label's place; zeros behind them.
    """
    ids = {name: number for number, name in enumerate(labels)}
    array = np.zeros((len(entities), max([1, *map(len, entities)]), 3), np.int32)
    for row, found in enumerate(entities):
        for place, (label, start, end) in enumerate(found):
            array[row, place] = start, end, ids[label]
    return array


class TaggedExamples(FileExamples):
    """Texts with labelled spans.

    Args:
        rows: What was read.
    """

    rows: TaggedRows

    @classmethod
    def read(cls, files: Sequence[Path], data: Any, reading: Reading) -> Self:
        """Reads the files of an experiment; `tfdomain.data.readers` tells of the arguments."""
        joiner = data.joiner
        if joiner is None and isinstance(reading.like, TaggedExamples):
            joiner = reading.like.rows.joiner
        rows = read_tagged(
            files,
            words=data.words,
            tags=data.tags,
            text=data.text,
            entities=data.entities,
            scheme=data.scheme,
            joiner=joiner,
            ends=data.ends,
            on_bad_row=reading.on_bad_row,
            on_illegal_tags=data.on_illegal_tags,
            on_overlap=data.on_overlap,
            further=fold_columns(data, reading),
            skip_mend=reading.skip_mend,
        )
        return cls(rows)

    @property
    def inputs(self) -> pa.ChunkedArray:
        """The texts."""
        return self.rows.texts

    def column(self, name: str) -> list[Any]:
        """The value of each text in a further column that was read."""
        return self.rows.further[name]

    def learn(self, rows: np.ndarray | None = None) -> dict[str, Any]:
        """The entity types as `labels`, and what stands between words as `joiner`.

        Raises:
            InputError: There is not one entity.
        """
        if not self.rows.labels:
            raise InputError("there is no entity in them", where=str(self.files[0]), mend="give texts with entities")
        return {"labels": self.rows.labels, "joiner": self.rows.joiner}

    def remarks(self) -> list[str]:
        """What was changed in reading, and labels that one was most likely meant to be the other."""
        doubtful = [
            f"the labels {one!r} and {other!r} differ by case or blanks alone, and count as two"
            for one, other in alike(self.rows.labels)
        ]
        return self.rows.notes() + doubtful

    def encode(self, head: Mapping[str, Any], reading: Reading) -> Encoded:
        """The entities as `entity_array` gives them, and as a list of `Annotation`.

        Raises:
            InputError: A label was never seen in training, and is not to be skipped, or no text is left.
        """
        annotations = [
            Annotation(entities, None if self.rows.words is None else self.rows.words[row])
            for row, entities in enumerate(self.rows.entities)
        ]
        unseen = set(self.rows.labels) - set(head["labels"])
        unknown = [any(entity.label in unseen for entity in entities) for entities in self.rows.entities]
        known = np.flatnonzero(~np.array(unknown, bool))
        if unseen and (reading.on_bad_row == "refuse" or not len(known)):
            found = [(row, entity.label) for row, here in enumerate(self.rows.entities) for entity in here]
            label_ids(
                [label for _, label in found],
                head["labels"],
                where=lambda place: self.where(found[place][0]),
                skip_mend=reading.skip_mend,
            )
        kept = [[] if skip else here for here, skip in zip(self.rows.entities, unknown, strict=True)]
        return Encoded(entity_array(kept, head["labels"]), annotations, known if unseen else None)
