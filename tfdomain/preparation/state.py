"""What a prepared folder remembers, so that more files can be added and an interrupted run can go on."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tfdomain.config.preparation import Preparation
from tfdomain.data.sources import explained_reading
from tfdomain.errors import InputError
from tfdomain.files import hash_file, read_json, whole_file, write_json
from tfdomain.preparation.deduplication import COPIES, DROPPED, Found, join_copies
from tfdomain.preparation.reading import source_form
from tfdomain.preparation.runner import Runner
from tfdomain.preparation.shards import Shard, find_shards

__all__ = ["State"]

VERSION = 2
# What may be asked otherwise of a folder that is there: no row changes with it.
FREE: dict[str, Any] = {"quality_predictions": True, "min_class_rows": True, "steps": {"label_quality"}}


class State:
    """The files that went into a folder so far, their rows in shards, and where each row went.

    The folder `state` holds `manifest.json`, a folder of shards for each time that files were added, `rows.parquet`
    with each row's split, `dropped.parquet` with the duplicates that went, and `copies.parquet` with the rows whose
    text others have too. The manifest is written last: what it does not name is not there.

    Args:
        folder: The prepared folder.
        preparation: Of this run; of the first run, if there was one.

    Raises:
        InputError: The folder was prepared with other settings, or holds something else.
    """

    def __init__(self, folder: Path, preparation: Preparation):
        self.folder, self.preparation = folder / "state", preparation
        self._hashes: dict[Path, str] = {}
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
                content = self._hashes[file] = hash_file(file)
            if content not in known:
                known.add(content)
                found.append(file)
        return found

    def add(self, files: Sequence[Path], runner: Runner) -> dict[str, Any]:
        """Makes shards of new files; one that was interrupted goes on where it stopped.

        Args:
            files: Of `new_files`.
            runner: What does the work.

        Returns:
            The batch, for `save` once all else is done.
        """
        number, first_row = len(self.batches), self.num_rows
        folder = self._batch_folder(number)
        named = [{"name": file.name, "sha256": self._hashes[file]} for file in files]
        # What another plan left half done is of no use.
        plan = {"version": VERSION, "files": named, "preparation": self._decisive()}
        if folder.exists() and (not (folder / "plan.json").exists() or read_json(folder / "plan.json") != plan):
            shutil.rmtree(folder)
        write_json(folder / "plan.json", plan)
        preparation, form = self.preparation, source_form(files, self.preparation.form)
        if form == "conll":
            # A tag belongs to its word: a step that changes texts would part them.
            steps = preparation.steps.model_copy(update={"clean": False, "personal_data": False, "names": False})
            preparation = preparation.model_copy(update={"steps": steps})
        made = runner.make_shards(files, folder, preparation, first_row=first_row)
        return {"files": named, "form": form, "num_rows": made.num_rows, "faults": made.faults.to_json()}

    def shards(self, batches: Sequence[dict[str, Any]]) -> list[Shard]:
        """The shards of batches, in the order of their rows."""
        found: list[Shard] = []
        first_row = 0
        for number, batch in enumerate(batches):
            names = [file["name"] for file in batch["files"]]
            folder = self._batch_folder(number)
            found += find_shards(folder, batch["num_rows"], first_row=first_row, file_names=names)
            first_row += batch["num_rows"]
        return found

    def splits(self) -> np.ndarray:
        """int8 `[num_rows]`: of each row that was there before its place in `splits.SPLITS`, -1 if it was dropped."""
        path = self.folder / "rows.parquet"
        # Rows of a run that did not end are behind the others.
        splits = pq.read_table(path).column("split").to_numpy() if path.exists() else np.empty(0, "int8")
        return splits[: self.num_rows]

    def with_earlier(self, found: Found) -> Found:
        """What searches for duplicates found, the earlier ones too."""
        dropped, copies = (self._earlier(name, schema) for name, schema in (("dropped", DROPPED), ("copies", COPIES)))
        return Found(pa.concat_tables([dropped, found.dropped]), join_copies(copies, found.copies))

    def save(
        self, batches: Sequence[dict[str, Any]], splits: np.ndarray, time_bounds: list[float] | None, found: Found
    ) -> None:
        """Remembers where the rows of all batches went."""
        tables = {"rows": pa.table({"split": pa.array(splits, pa.int8())}), **found._asdict()}
        for name, table in tables.items():
            with whole_file(self.folder / f"{name}.parquet", "wb") as sink:
                pq.write_table(table, sink, compression="zstd")
        self.manifest = {
            "version": VERSION,
            "preparation": self._decisive(),
            "batches": list(batches),
            "time_bounds": time_bounds,
        }
        write_json(self.folder / "manifest.json", self.manifest)
        for number in range(len(batches)):
            shutil.rmtree(self._batch_folder(number) / "source", ignore_errors=True)

    def _batch_folder(self, number: int) -> Path:
        return self.folder / f"batch-{number:04d}"

    def _earlier(self, name: str, schema: pa.Schema) -> pa.Table:
        path = self.folder / f"{name}.parquet"
        table = pq.read_table(path) if path.exists() else schema.empty_table()
        return table.filter(pc.less(table.column("row"), self.num_rows))

    def _decisive(self) -> dict[str, Any]:
        """The settings that decide about rows."""
        return self.preparation.model_dump(mode="json", exclude=FREE)

    def _check_settings(self) -> None:
        if self.manifest["version"] != VERSION:
            problem = f"was prepared by another release (state of version {self.manifest['version']})"
            raise InputError(problem, where=str(self.folder.parent), mend="choose a new folder")
        before, now = self.manifest["preparation"], self._decisive()
        changed = [key for key in now if before.get(key) != now[key]]
        if changed:
            told = ", ".join(f"{key} {before.get(key)!r}" for key in changed)
            mend = "add files with the same settings, or choose a new folder"
            raise InputError(f"was prepared with other settings: {told}", where=str(self.folder.parent), mend=mend)
