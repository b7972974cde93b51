"""An embedder's items in an index, and the items that queries find there."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from tfdomain.data.rows import read_rows
from tfdomain.data.values import as_text_array
from tfdomain.errors import InputError
from tfdomain.evaluation.index import ItemIndex
from tfdomain.evaluation.prediction import (
    BATCH_SIZE,
    ROWS_AT_ONCE,
    SKIP_MEND,
    Predicted,
    predict_file,
    temporary_cache,
)
from tfdomain.models.base import TextModel
from tfdomain.models.embedder import TextEmbedder
from tfdomain.models.prediction import predict_chunks

__all__ = ["build_index", "load_index", "model_fingerprint", "search", "search_file"]


def build_index(
    model: TextModel,
    source: Sequence[Path],
    folder: str | Path,
    *,
    text: str = "text",
    id_column: str | None = None,
    method: Literal["auto", "exact", "approximate"] = "auto",
    on_bad_row: Literal["refuse", "skip"] = "refuse",
) -> ItemIndex:
    """Embeds the items of files and writes their index, which remembers its model.

    Args:
        model: A `TextEmbedder`.
        source: Files as `read_rows` takes them, an item a row.
        folder: Where to; an index that stands there is replaced.
        text: The column with the items' texts.
        id_column: The column with their ids, each once; None: the numbers of the rows that are kept, from 1.
        method: As for `ItemIndex.build`.
        on_bad_row: `refuse` or `skip` rows with faults, such as an empty text.

    Raises:
        InputError: The model is no embedder, or a file, a column, a text or an id is wrong.
        TfdomainError: The folder or the temporary folder cannot be written.
    """
    _check_embedder(model)
    with temporary_cache() as cache:
        rows = read_rows(
            source,
            texts=[text],
            extra=[] if id_column is None else [id_column],
            on_bad_row=on_bad_row,
            skip_mend=SKIP_MEND,
            cache_dir=cache,
        )
        column = rows.texts[0]
        if id_column is None:
            ids = [str(number) for number in range(1, rows.num_rows + 1)]
        else:
            ids = as_text_array(rows.table.column(id_column), id_column, numbers=True).to_pylist()
        starts = range(0, rows.num_rows, ROWS_AT_ONCE)
        vectors = predict_chunks(
            model,
            (column.slice(start, ROWS_AT_ONCE) for start in starts),
            batch_size=BATCH_SIZE,
            num_batches=sum(-(-min(ROWS_AT_ONCE, rows.num_rows - start) // BATCH_SIZE) for start in starts),
            title="embedding",
        )
        index = ItemIndex.build(np.concatenate(list(vectors)), ids, column.to_pylist(), method=method)
    index.notes = {"model": model_fingerprint(model)}
    index.save(folder)
    return index


def load_index(folder: str | Path, model: TextModel) -> ItemIndex:
    """Reads an index that this model made.

    Raises:
        InputError: The folder is no sound index, or another model made it: their vectors do not compare.
    """
    _check_embedder(model)
    index = ItemIndex.load(Path(folder))
    if index.notes.get("model") != model_fingerprint(model):
        mend = "give that model, or build the index again with this one"
        raise InputError("was made by another model", where=str(folder), mend=mend)
    return index


def search(index: ItemIndex, model: TextModel, queries: Sequence[str], top: int = 10) -> list[list[dict[str, Any]]]:
    """The items nearest to each query, the nearest first.

    Args:
        index: What `load_index` gives for the model.
        model: The embedder that made it.
        queries: Texts.
        top: How many items, at most those that there are.

    Returns:
        For each query a list of `id`, `score` (the cosine) and, where the index has texts, `text`.

    Raises:
        InputError: `top` is out of its range, or a query is no text.
    """
    if not len(queries):
        return []
    return [answer["results"] for answer in _finder(index, top)(model.predict(list(queries)))]


def search_file(
    index: ItemIndex,
    model: TextModel,
    source: Sequence[Path],
    target: str | os.PathLike,
    *,
    text: str = "text",
    top: int = 10,
    on_bad_row: Literal["refuse", "skip"] = "refuse",
) -> Predicted:
    """Writes for each row of files the items nearest to its text, as `results`, whatever the number of rows.

    Args:
        index: What `load_index` gives for the model.
        model: The embedder that made it.
        source: Files as `predict_file` takes them, a query a row.
        target: As for `predict_file`; `results` is a list in JSON Lines and Parquet, JSON in CSV.
        text: The column with the queries.
        top: How many items, at most those that there are.
        on_bad_row: `refuse` or `skip` rows with faults.

    Raises:
        InputError: `top`, the source, the column or the target is wrong.
        TfdomainError: The target or the temporary folder cannot be written.
    """
    item = {"id": pa.string(), "score": pa.float32()} | ({} if index.texts is None else {"text": pa.string()})
    types = {"results": pa.list_(pa.struct(list(item.items())))}
    choices: dict[str, Any] = {"texts": [text], "on_bad_row": on_bad_row}
    return predict_file(model, source, target, answers=_finder(index, top), answer_types=types, **choices)


def model_fingerprint(model: TextModel) -> str:
    """A SHA-256 over all that a vector depends on: equal for models that embed alike."""
    config = model.get_config()
    parts = {key: config[key] for key in ("encoder", "tokenizer", "pooling", "max_length")}
    parts["encoder"] = parts["encoder"]["config"]
    total = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode())
    for name, weight in sorted(model.encoder.named_weights().items()):
        total.update(name.encode() + weight.numpy().tobytes())
    return total.hexdigest()


def _finder(index: ItemIndex, top: int) -> Callable[[np.ndarray], list[dict[str, Any]]]:
    """What turns vectors into answers."""
    if not 1 <= top <= index.num_items:
        mend = f"choose 1 to {index.num_items:,}, the number of items"
        raise InputError(f"{top} items are asked for", where="--top", mend=mend)

    def answers(vectors: np.ndarray) -> list[dict[str, Any]]:
        places, scores = index.search(vectors, top)
        return [
            {"results": [_item(index, place, score) for place, score in zip(*found, strict=True)]}
            for found in zip(places.tolist(), scores.tolist(), strict=True)
        ]

    return answers


def _item(index: ItemIndex, place: int, score: float) -> dict[str, Any]:
    text = {} if index.texts is None else {"text": index.texts[place]}
    return {"id": index.ids[place], "score": score} | text


def _check_embedder(model: TextModel) -> None:
    if not isinstance(model, TextEmbedder):
        problem = f"the model is of the task {model.task}, and search takes an embedder"
        raise InputError(problem, where="--model", mend="train one with `task: embedding`")
