"""The work of a preparation on the machines of an Apache Beam runner: Dataflow, Flink, Spark, or one process.

Files and folder are on a file system that every worker sees under the same path. Workers leave their results there as
files, each whole or not at all, so that a bundle that is tried again does no harm; between them go only keys, row
numbers, and the texts of rows that are compared. What is left to the machine that starts it: a byte and a number of
the label for each row, the links of rows that are alike, and writing three files from finished columns.
"""

import json
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tfdomain.config.preparation import Preparation
from tfdomain.data.faults import KEPT_FAULTS, Faults
from tfdomain.errors import InputError, TfdomainError
from tfdomain.files import read_json, whole_file, write_json
from tfdomain.preparation.beam_duplicates import linked_rows, write_links
from tfdomain.preparation.deduplication import Found
from tfdomain.preparation.duplicates import KEPT
from tfdomain.preparation.parts import Part, make_part
from tfdomain.preparation.reading import read_source, source_form
from tfdomain.preparation.run import prepare
from tfdomain.preparation.runner import Made
from tfdomain.preparation.shards import Shard, find_shards, write_shard

__all__ = ["BeamRunner", "prepare_with_beam"]

# The rows of a file that are in memory at once.
BATCH_ROWS = 20_000
DEFAULT_RUNNER = "DirectRunner"
COUNTS_KEY = b"counts"


def prepare_with_beam(
    files: Sequence[Path], folder: Path, preparation: Preparation, pipeline_options: Sequence[str] | Any = ()
) -> dict[str, Any]:
    """Makes the data set that `run.prepare` makes, on the workers of a Beam runner.

    Args:
        files: As `run.prepare` takes them. A file is read by one worker; a table needs a sound row in every file.
        folder: As there, on a file system that the workers see. It may be one that this machine alone prepared
            before, or the other way round.
        preparation: As there.
        pipeline_options: Like `["--runner=FlinkRunner", "--flink_master=..."]`, or Beam's own `PipelineOptions`.

    Returns:
        The data card.

    Raises:
        InputError: As `run.prepare`; or the extra `beam` is not installed.
        TfdomainError: The disk is full.
    """
    return prepare(files, folder, preparation, runner=BeamRunner(pipeline_options))


class BeamRunner:
    """The workers of a Beam runner.

    Args:
        pipeline_options: Arguments of a Beam pipeline, in one string as on a command line, or its `PipelineOptions`.

    Raises:
        InputError: The extra `beam` is not installed, or there is no such runner.
    """

    def __init__(self, pipeline_options: str | Sequence[str] | Any = ()):
        try:
            import apache_beam
            from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
            from apache_beam.runners.runner import create_runner
        except ImportError:
            mend = "install it: pip install 'tfdomain[beam]'"
            raise InputError("running on a Beam runner needs apache-beam", mend=mend) from None
        self._beam = apache_beam
        try:
            given = shlex.split(pipeline_options) if isinstance(pipeline_options, str) else pipeline_options
            options: Any = given if isinstance(given, PipelineOptions) else PipelineOptions(list(given))
            # Asked for now: a pipeline would find out when half of the work is done.
            create_runner(options.view_as(StandardOptions).runner or DEFAULT_RUNNER)
        except ValueError as error:
            mend = "give options of a Beam runner, such as '--runner=FlinkRunner --flink_master=...'"
            raise InputError(str(error), where="the options of Beam", mend=mend) from None
        self._options = options

    def make_shards(self, files: Sequence[Path], folder: Path, preparation: Preparation, *, first_row: int) -> Made:
        """As `runner.Runner` says."""
        preparation = preparation.model_copy(update={"form": source_form(files, preparation.form)})
        folder = folder.absolute()
        source = folder / "source"
        unread = [number for number in range(len(files)) if not _count_file(source, number).exists()]
        self._each(_read_file, [(source, number, files[number].absolute()) for number in unread], preparation, folder)
        counts = [read_json(_count_file(source, number)) for number in range(len(files))]
        faults = _together([each["faults"] for each in counts])
        ends = np.cumsum([each["num_rows"] for each in counts])
        if not ends[-1]:
            mend = "give files with documents"
            raise faults.error(list(files), None) if faults.count else InputError("there is no text", mend=mend)
        shards = find_shards(folder, int(ends[-1]), first_row=first_row)
        missing = [
            (source, shard, _pieces(ends, shard.first_row - first_row, shard.num_rows))
            for shard in shards
            if not shard.signatures.exists()
        ]
        self._each(_write_shard, missing, preparation, folder)
        return Made(int(ends[-1]), faults)

    def find_duplicates(
        self, shards: Sequence[Shard], splits: np.ndarray, kept: np.ndarray, preparation: Preparation, folder: Path
    ) -> Found:
        """As `runner.Runner` says."""
        ranks = np.array(splits, np.int8)
        ranks[kept] = KEPT
        with tempfile.TemporaryDirectory(dir=folder.absolute()) as temporary:
            seen = [_seen_by_all(shard) for shard in shards]
            with self._pipeline() as pipeline:
                write_links(self._beam, seen, ranks, preparation, Path(temporary), pipeline)
            return linked_rows(Path(temporary), splits, ranks, preparation)

    def make_parts(
        self,
        shards: Sequence[Shard],
        splits: np.ndarray,
        schema: pa.Schema,
        preparation: Preparation,
        folder: Path,
        *,
        with_words: bool,
    ) -> Iterator[Part]:
        """As `runner.Runner` says."""
        with tempfile.TemporaryDirectory(dir=folder.absolute()) as temporary:
            target = Path(temporary)
            (target / "splits").write_bytes(splits.astype(np.int8).tobytes())
            columns = schema.serialize().to_pybytes()
            items = [(target, number, _seen_by_all(shard), columns, with_words) for number, shard in enumerate(shards)]
            self._each(_write_part, items, preparation, target)
            for number in range(len(shards)):
                with pa.memory_map(str(_part_file(target, number))) as source:
                    table = pa.ipc.open_file(source).read_all()
                counts = json.loads((table.schema.metadata or {})[COUNTS_KEY])
                yield Part(table.replace_schema_metadata(None), counts)

    def _each(self, function: Callable, items: Sequence[tuple], preparation: Preparation, folder: Path) -> None:
        """Has workers call a function with each item, and raises what one of them could not do."""
        if not items:
            return
        beam = self._beam
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            problems = Path(temporary)
            with self._pipeline() as pipeline:
                _ = (
                    pipeline
                    | "items" >> beam.Create(list(enumerate(items)))
                    | "spread" >> beam.Reshuffle()
                    | function.__name__.strip("_") >> beam.Map(_attempt, function, preparation, problems)
                )
            for file in sorted(problems.iterdir()):
                told = read_json(file)
                kind = InputError if told.pop("is_input_error") else TfdomainError
                raise kind(told.pop("problem"), **told)

    def _pipeline(self) -> Any:
        return self._beam.Pipeline(options=self._options)


def _attempt(item: tuple[int, tuple], function: Callable, preparation: Preparation, problems: Path) -> None:
    """Calls the function; what a person can mend is written down, since a runner would try it again and wrap it."""
    number, arguments = item
    try:
        function(*arguments, preparation)
    except TfdomainError as error:
        told = {"problem": error.problem, "where": error.where, "mend": error.mend}
        write_json(problems / f"{number:09d}.json", told | {"is_input_error": isinstance(error, InputError)})


def _read_file(source: Path, number: int, file: Path, preparation: Preparation) -> None:
    folder = source / f"{number:06d}"
    found = read_source([file], preparation, folder, require_rows=False)
    with whole_file(_row_file(source, number), "wb") as sink, pa.ipc.new_file(sink, found.table.schema) as writer:
        writer.write_table(found.table, max_chunksize=BATCH_ROWS)
    write_json(_count_file(source, number), {"num_rows": len(found.table), "faults": found.faults.to_json()})
    shutil.rmtree(folder, ignore_errors=True)


def _write_shard(source: Path, shard: Shard, pieces: list[tuple[int, int, int]], preparation: Preparation) -> None:
    tables = []
    for number, start, count in pieces:
        with pa.memory_map(str(_row_file(source, number))) as rows:
            table = pa.ipc.open_file(rows).read_all().slice(start, count)
        place = table.schema.get_field_index("file")
        tables.append(table.set_column(place, table.schema.field(place), pa.array([number] * count, pa.int32())))
    write_shard(shard, pa.concat_tables(tables), preparation)


def _write_part(
    target: Path, number: int, shard: Shard, columns: bytes, with_words: bool, preparation: Preparation
) -> None:
    schema = pa.ipc.read_schema(pa.py_buffer(columns))
    splits = np.fromfile(target / "splits", np.int8, shard.num_rows, offset=shard.first_row)
    part = make_part(shard, splits, schema, preparation, with_words)
    table = part.table.replace_schema_metadata({COUNTS_KEY: json.dumps(part.counts)})
    with whole_file(_part_file(target, number), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _pieces(ends: np.ndarray, start: int, count: int) -> list[tuple[int, int, int]]:
    """The files that hold some rows of all: the number of each, the first row in it, and how many."""
    pieces = []
    for number in range(int(np.searchsorted(ends, start, side="right")), len(ends)):
        begin = int(ends[number - 1]) if number else 0
        first, stop = max(start, begin), min(start + count, int(ends[number]))
        if first >= start + count:
            break
        if stop > first:
            pieces.append((number, first - begin, stop - first))
    return pieces


def _together(faults: Sequence[dict[str, Any]]) -> Faults:
    """The faults of all files, as one reading of all would tell them."""
    kept = [fault | {"file": number} for number, each in enumerate(faults) for fault in each["kept"]]
    counts = [count | {"file": number} for number, each in enumerate(faults) for count in each["counts"]]
    return Faults.from_json({"kept": kept[:KEPT_FAULTS], "counts": counts})


def _seen_by_all(shard: Shard) -> Shard:
    return shard._replace(path=shard.path.absolute())


def _row_file(source: Path, number: int) -> Path:
    return source / f"{number:06d}.arrow"


def _count_file(source: Path, number: int) -> Path:
    return source / f"{number:06d}.json"


def _part_file(target: Path, number: int) -> Path:
    return target / f"{number:06d}.arrow"
