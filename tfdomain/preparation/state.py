"""What a prepared folder remembers, so that more files can be added and an interrupted run can go on."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tfdomain.config.preparation import Preparation
from tfdomain.data.sources import explained_reading
from tfdomain.errors import InputError
from tfdomain.files import hash_file, read_json, whole_file, write_json
from tfdomain.preparation.reading import read_source
from tfdomain.preparation.shards import SHARD_ROWS, Shard, write_shards

__all__ = ["State"]

VERSION = 1


class State:
    """The files that went into a folder so far, their rows in shards, and where each row went.

    The folder `state` holds `manifest.json`, a folder of shards for each time that files were added, and
    `rows.parquet` with each row's split. The manifest is written last: what it does not name is not there.

    Args:
        folder: The prepared folder.
        preparation: Of this run; of the first run, if there was one.

    Raises:
        InputError: The folder was prepared with other settings, or holds something else.
    """

    def __init__(self, folder: Path, preparation: Preparation):
        self.folder, self.preparation = folder / "state", preparation
        self.manifest: dict[str, Any] = {"version": VERSION, "batches": [], "time_bounds": None}
        if (self.folder / "manifest.json").exists():
            self.manifest = read_json(self.folder / "manifest.json")
            self._check_settings()
        elif folder.is_dir() and any(entry.name != "state" for entry in folder.iterdir()):
            raise InputError("holds other files", where=str(folder), mend="choose an empty folder or a new one")

    @property
    def batches(self) -> list[dict[str, Any]]:
        """What was added each time: `files` (`name`, `sha256`), `form`, `num_rows`, `faults`."""
        return self.manifest["batches"]

    @property
    def num_rows(self) -> int:
        """The rows of all batches that are there."""
        return sum(batch["num_rows"] for batch in self.batches)

    def new_files(self, files: Sequence[Path]) -> list[Path]:
        """Those files whose content is not among what was added before, each content once."""
        known = {file["sha256"] for batch in self.batches for file in batch["files"]}
        found = []
        for file in files:
            with explained_reading(file):
                content = hash_file(file)
            if content not in known:
                known.add(content)
                found.append(file)
        return found

    def add(self, files: Sequence[Path]) -> dict[str, Any]:
        """Reads files into shards; one that was interrupted goes on where it stopped.

        Returns:
            The batch, for `self.manifest` once all else is done.
        """
        number, first_row = len(self.batches), self.num_rows
        folder = self._batch_folder(number)
        named = [{"name": file.name, "sha256": hash_file(file)} for file in files]
        # What another plan left half done is of no use.
        plan = {"files": named, "preparation": self.preparation.model_dump(mode="json")}
        if folder.exists() and (not (folder / "plan.json").exists() or read_json(folder / "plan.json") != plan):
            shutil.rmtree(folder)
        write_json(folder / "plan.json", plan)
        source = read_source(files, self.preparation, folder / "source")
        preparation = self.preparation
        if source.form == "conll":
            # A tag belongs to its word: a step that changes texts would part them.
            steps = preparation.steps.model_copy(update={"clean": False, "personal_data": False, "names": False})
            preparation = preparation.model_copy(update={"steps": steps})
        write_shards(source.table, folder, preparation, first_row=first_row)
        counts = {"form": source.form, "num_rows": len(source.table), "faults": source.faults.to_json()}
        return {"files": named, **counts}

    def shards(self, batches: Sequence[dict[str, Any]]) -> list[Shard]:
        """The shards of batches, in the order of their rows."""
        found, first_row = [], 0
        for number, batch in enumerate(batches):
            names = [file["name"] for file in batch["files"]]
            for start in range(0, batch["num_rows"], SHARD_ROWS):
                path = self._batch_folder(number) / f"{start // SHARD_ROWS:06d}.parquet"
                found.append(Shard(path, first_row + start, min(SHARD_ROWS, batch["num_rows"] - start), names))
            first_row += batch["num_rows"]
        return found

    def splits(self) -> np.ndarray:
        """Of each row that was there before its place in `splits.SPLITS`, or -1 if it was dropped; int8."""
        path = self.folder / "rows.parquet"
        # Rows of a run that did not end are behind the others.
        splits = pq.read_table(path).column("split").to_numpy() if path.exists() else np.empty(0, "int8")
        return splits[: self.num_rows]

    def save(self, batches: Sequence[dict[str, Any]], splits: np.ndarray, time_bounds: list[float] | None) -> None:
        """Remembers where the rows of all batches went."""
        with whole_file(self.folder / "rows.parquet", "wb") as sink:
            pq.write_table(pa.table({"split": pa.array(splits, pa.int8())}), sink, compression="zstd")
        self.manifest = {
            "version": VERSION,
            "preparation": self.preparation.model_dump(mode="json"),
            "batches": list(batches),
            "time_bounds": time_bounds,
        }
        write_json(self.folder / "manifest.json", self.manifest)
        for number in range(len(batches)):
            shutil.rmtree(self._batch_folder(number) / "source", ignore_errors=True)

    def _batch_folder(self, number: int) -> Path:
        return self.folder / f"batch-{number:04d}"

    def _check_settings(self) -> None:
        before, now = self.manifest["preparation"], self.preparation.model_dump(mode="json")
        changed = [key for key in now if before.get(key) != now[key]]
        if changed:
            told = ", ".join(f"{key} {before.get(key)!r}" for key in changed)
            mend = "add files with the same settings, or choose a new folder"
            raise InputError(f"was prepared with other settings: {told}", where=str(self.folder.parent), mend=mend)
