"""Entities as people get them: rows of dictionaries, and the spans that they are judged by."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tfdomain.data.tag_schemes import Entity
from tfdomain.data.tagged_examples import Annotation
from tfdomain.metrics.entities import snap_to_words

__all__ = ["ENTITY_TYPE", "entity_rows", "judged_spans"]

ENTITY_TYPE = pa.struct(
    [
        ("text", pa.string()),
        ("label", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("confidence", pa.float32()),
    ]
)
_FOUND = ("entity", "label", "start", "end", "confidence")


def entity_rows(decoded: Mapping[str, np.ndarray], labels: Sequence[str]) -> list[list[dict[str, Any]]]:
    """The entities of each text as dictionaries with the keys of `ENTITY_TYPE`.

    Args:
        decoded: What `TokenClassifier.decode` gives, as arrays.
        labels: The model's.
    """
    found = zip(*(decoded[name].tolist() for name in _FOUND), strict=True)
    return [
        [
            {"text": text.decode(), "label": labels[label], "start": start, "end": end, "confidence": share}
            for text, label, start, end, share in list(zip(*row, strict=True))[:count]
        ]
        for row, count in zip(found, decoded["count"].tolist(), strict=True)
    ]


def judged_spans(truth: Any, predictions: Any, labels: Sequence[str]) -> tuple[list, list, list | None]:
    """The entities there, those found, and the words, None where they are not known.

    Args:
        truth: An annotation a text, or int32 `[n, most of a text, 3]` as `TokenClassifier.encode_labels` gives it.
        predictions: As `entity_rows` gives them.
        labels: The model's.
    """
    if isinstance(truth, np.ndarray):
        truth = [_annotation(row, labels) for row in truth.tolist()]
    true = [each.entities for each in truth]
    found = [[(one["label"], one["start"], one["end"]) for one in entities] for entities in predictions]
    words = [each.words for each in truth if each.words is not None]
    if not words or len(words) < len(truth):
        return true, found, None
    return true, [snap_to_words(*each) for each in zip(found, words, strict=True)], words


def _annotation(row: list[list[int]], labels: Sequence[str]) -> Annotation:
    return Annotation([Entity(labels[label], start, end) for start, end, label in row if end])
