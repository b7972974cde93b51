"""An index of items: their vectors, ids and texts, searched by cosine and kept in a folder.

Search is exact. Past a million items, or on request, faiss looks into a part of the items only (an inverted
file of k-means cells), as large a part as a stated recall takes.

Reference: Douze et al. 2024, "The Faiss library" (https://arxiv.org/abs/2401.08281).
"""

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from safetensors.numpy import load_file, save_file

from tfdomain.errors import InputError
from tfdomain.evaluation.nearest import MARGIN, nearest, rank
from tfdomain.files import hash_file, read_json, whole_folder, write_json

__all__ = ["EXACT_ITEMS", "ItemIndex"]

EXACT_ITEMS = 1_000_000
"""Up to how many items `auto` searches all of them."""

METHODS = ("auto", "exact", "approximate")
FORMAT_VERSION = 1
SETTINGS, VECTORS, ITEMS, CELLS = "index.json", "vectors.safetensors", "items.jsonl", "cells.faiss"
SAMPLED_QUERIES = 256
RECALL_AT = 10
POINTS_A_CELL = 64
ROWS_AT_ONCE = 65_536
SHORTEST = 1e-30


class ItemIndex:
    """Items that queries find; `build` or `load` makes one.

    Attributes:
        ids: The items' ids, in the order of their places.
        texts: The items' texts, or None.
        vectors: float32 `[items, size]`, of length 1.
        recall: The measured share of the exact best ten that an approximate search finds; None: it is exact.
        notes: JSON values that are kept with the index, such as the model that made the vectors.
    """

    def __init__(
        self,
        vectors: np.ndarray,
        ids: list[str],
        texts: list[str] | None,
        *,
        cells: Any = None,
        recall: float | None = None,
    ):
        self.vectors, self.ids, self.texts = vectors, ids, texts
        self.recall = recall
        self.notes: dict[str, Any] = {}
        self._cells = cells

    @classmethod
    def build(
        cls,
        vectors: ArrayLike,
        ids: Sequence[str],
        texts: Sequence[str] | None = None,
        *,
        method: Literal["auto", "exact", "approximate"] = "auto",
        recall: float = 0.95,
        sample_queries: ArrayLike | None = None,
    ) -> "ItemIndex":
        """Indexes items.

        Args:
            vectors: Float `[items, size]`, of any length but 0; they are kept at length 1.
            ids: Strings `[items]`, each once.
            texts: Strings `[items]`.
            method: `exact` compares with every item, `approximate` with those of the nearest cells (it needs
                faiss); `auto` is exact up to `EXACT_ITEMS` items.
            recall: The share of the exact best ten that an approximate search must find of the sample.
            sample_queries: Float `[n, size]`, what the recall is measured with; None: some of the items.

        Raises:
            InputError: A vector is NaN, infinite or 0, ids or texts do not fit, or faiss is not installed.
        """
        if method not in METHODS:
            raise InputError(f"is {method!r}", where="method", mend=f"choose {', '.join(METHODS)}")
        if not 0 < recall <= 1:
            raise InputError(f"is {recall}", where="recall", mend="choose a share above 0, at most 1")
        units = _units(vectors, "vectors")
        index = cls(units, list(ids), None if texts is None else list(texts))
        index._check_items()
        if method == "approximate" or (method == "auto" and len(units) > EXACT_ITEMS):
            sample = None if sample_queries is None else _units(sample_queries, "sample_queries", units.shape[1])
            index._cells = _make_cells(units)
            index.recall = index._widen(recall, sample)
        return index

    @property
    def num_items(self) -> int:
        """The number of items."""
        return len(self.ids)

    def __len__(self) -> int:
        return self.num_items

    def search(self, queries: ArrayLike, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The `k` items nearest to each query.

        Args:
            queries: Float `[queries, size]`, of any length but 0.
            k: At least 1, at most the number of items.

        Returns:
            The items' places (of `ids` and `texts`), int64 `[queries, k]`, and their cosines, float32
            `[queries, k]`: the highest first, of equal ones the lower place. A query's answer is the same
            alone and among others.

        Raises:
            InputError: The size differs from the items', a query is NaN, infinite or 0, or k is out of range.
        """
        units = _units(queries, "queries", self.vectors.shape[1])
        if not 1 <= k <= self.num_items:
            raise InputError(f"is {k}", where="k", mend=f"choose 1 to {self.num_items:,}, the number of items")
        if self._cells is None:
            return nearest(self.vectors, units, k)
        return self._search_cells(units, k)

    def save(self, folder: str | Path) -> None:
        """Writes the index as a folder, whole or not at all; an index that stands there is replaced.

        Raises:
            InputError: Something else stands there.
            TfdomainError: The folder cannot be written.
        """
        folder = Path(folder)
        if folder.exists() and not (folder / SETTINGS).is_file() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError("exists and holds something else", where=str(folder), mend="choose a new folder")
        with whole_folder(folder) as target:
            save_file({"vectors": self.vectors}, target / VECTORS)
            items: list[dict[str, str]] = [{"id": each} for each in self.ids]
            for item, text in zip(items, self.texts or (), strict=False):
                item["text"] = text
            with open(target / ITEMS, "w", encoding="utf-8", newline="") as file:
                file.writelines(json.dumps(item, ensure_ascii=False) + "\n" for item in items)
            names = [VECTORS, ITEMS]
            if self._cells is not None:
                _faiss().write_index(self._cells, str(target / CELLS))
                names.append(CELLS)
            settings = {
                "format_version": FORMAT_VERSION,
                "num_items": self.num_items,
                "recall": self.recall,
                "num_probes": None if self._cells is None else int(self._cells.nprobe),
                "sha256": {name: hash_file(target / name) for name in names},
                "notes": self.notes,
            }
            write_json(target / SETTINGS, settings)

    @classmethod
    def load(cls, folder: str | Path) -> "ItemIndex":
        """Reads what `save` wrote.

        Raises:
            InputError: The folder is no index, is damaged, or was written by a later release; or faiss is
                needed and not installed.
        """
        folder = Path(folder)
        if not (folder / SETTINGS).is_file():
            raise InputError(f"is no index (it has no {SETTINGS})", where=str(folder), mend="build one")
        settings = read_json(folder / SETTINGS)
        version = settings.get("format_version") if isinstance(settings, dict) else None
        if version != FORMAT_VERSION:
            problem = f"has the format {version}, not {FORMAT_VERSION}"
            raise InputError(problem, where=str(folder / SETTINGS), mend="build the index again")
        hashes = settings.get("sha256")
        if not isinstance(hashes, dict) or not {VECTORS, ITEMS} <= hashes.keys():
            raise InputError("is damaged", where=str(folder / SETTINGS), mend="build the index again")
        for name, expected in hashes.items():
            if not (folder / name).is_file() or hash_file(folder / name) != expected:
                raise InputError("is missing or damaged", where=str(folder / name), mend="build the index again")
        with open(folder / ITEMS, encoding="utf-8", newline="\n") as file:
            items = [json.loads(line) for line in file]
        texts = [item["text"] for item in items] if "text" in items[0] else None
        cells = None
        if CELLS in hashes:
            cells = _faiss().read_index(str(folder / CELLS))
            cells.nprobe = settings["num_probes"]
        vectors = load_file(folder / VECTORS)["vectors"]
        index = cls(vectors, [item["id"] for item in items], texts, cells=cells, recall=settings["recall"])
        index.notes = settings.get("notes", {})
        return index

    def _check_items(self) -> None:
        for name, values in (("ids", self.ids), ("texts", self.texts)):
            if values is None:
                continue
            if len(values) != len(self.vectors):
                problem = f"there are {len(values):,} for {len(self.vectors):,} vectors"
                raise InputError(problem, where=name, mend="give one for each vector")
            wrong = next((place for place, value in enumerate(values) if not isinstance(value, str)), None)
            if wrong is not None:
                raise InputError(f"is {values[wrong]!r}, not a string", where=f"{name}[{wrong}]", mend="give strings")
        if len(set(self.ids)) < len(self.ids):
            seen: dict[str, int] = {}
            again = next(place for place, each in enumerate(self.ids) if seen.setdefault(each, place) != place)
            problem = f"is {self.ids[again]!r}, as ids[{seen[self.ids[again]]}] is"
            raise InputError(problem, where=f"ids[{again}]", mend="give every item an id of its own")

    def _search_cells(self, units: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        _, found = self._cells.search(units, min(k + MARGIN, self.num_items))
        # Cells with too few items leave gaps, -1: such a query gets the exact answer.
        full = (found >= 0).all(axis=1)
        places, scores = np.empty((len(units), k), np.int64), np.empty((len(units), k), np.float32)
        places[full], scores[full] = rank(self.vectors, units[full], found[full], k)
        places[~full], scores[~full] = nearest(self.vectors, units[~full], k)
        return places, scores

    def _widen(self, wanted: float, sample: np.ndarray | None) -> float:
        """Looks into more cells until the sample's recall is `wanted`; returns the recall."""
        if sample is None:
            random = np.random.Generator(np.random.PCG64(0))
            sample = self.vectors[random.choice(self.num_items, min(SAMPLED_QUERIES, self.num_items), replace=False)]
        k = min(RECALL_AT, self.num_items)
        exact, _ = nearest(self.vectors, sample, k)
        self._cells.nprobe = 1
        while True:
            found, _ = self._search_cells(sample, k)
            pairs = zip(exact.tolist(), found.tolist(), strict=True)
            recall = sum(len(set(one) & set(other)) for one, other in pairs) / exact.size
            if recall >= wanted or self._cells.nprobe >= self._cells.nlist:
                return recall
            self._cells.nprobe = min(2 * self._cells.nprobe, self._cells.nlist)


def _make_cells(vectors: np.ndarray) -> Any:
    """A faiss inverted file over about as many k-means cells as the root of the number of items."""
    faiss = _faiss()
    num_items, size = vectors.shape
    cells = faiss.IndexIVFFlat(faiss.IndexFlatIP(size), size, max(int(num_items**0.5), 1), faiss.METRIC_INNER_PRODUCT)
    cells.cp.min_points_per_centroid, cells.cp.max_points_per_centroid = 1, POINTS_A_CELL
    cells.train(vectors)
    cells.add(vectors)
    return cells


def _faiss() -> Any:
    try:
        return importlib.import_module("faiss")
    except ImportError:
        mend = "install it (pip install 'tfdomain[retrieval]'), or choose the method exact"
        raise InputError("an approximate index needs faiss", mend=mend) from None


def _units(vectors: ArrayLike, name: str, size: int | None = None) -> np.ndarray:
    """float32 `[n, size]`, each of length 1."""
    values = np.asarray(vectors)
    if values.ndim != 2 or values.dtype.kind not in "fiu" or not values.shape[1] or (size is None and not len(values)):
        problem = f"is {values.dtype} of the shape {list(values.shape)}"
        raise InputError(problem, where=name, mend="give numbers, a row for each vector")
    if size is not None and values.shape[1] != size:
        problem = f"has vectors of {values.shape[1]} numbers, the index of {size}"
        raise InputError(problem, where=name, mend="embed both with one model")
    with np.errstate(over="ignore"):
        values = values.astype(np.float32, order="C")
    lengths = _lengths(values)
    wrong = np.flatnonzero(~(np.isfinite(lengths) & (lengths >= SHORTEST)))
    if len(wrong):
        problem = "is zero" if lengths[wrong[0]] < SHORTEST else "holds NaN or infinity"
        more = f", and {len(wrong) - 1:,} more" if len(wrong) > 1 else ""
        raise InputError(problem + more, where=f"{name}[{wrong[0]}]", mend="leave it out, or embed its text again")
    values /= lengths[:, np.newaxis]
    return values


def _lengths(values: np.ndarray) -> np.ndarray:
    """float32 `[n]`, summed in float64, some rows at a time."""
    blocks = [values[start : start + ROWS_AT_ONCE] for start in range(0, len(values), ROWS_AT_ONCE)]
    lengths = [np.linalg.norm(block.astype(np.float64), axis=1).astype(np.float32) for block in blocks]
    return np.concatenate([np.empty(0, np.float32), *lengths])
