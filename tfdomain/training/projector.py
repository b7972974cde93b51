"""What TensorBoard's PROJECTOR tab shows: vectors as points, each with what is known of it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from tfdomain.errors import InputError
from tfdomain.files import whole_folder
from tfdomain.training.events import EventWriter

__all__ = ["write_projector"]

# Names that the tab looks for.
CONFIG, CHECKPOINT = "projector_config.pbtxt", "vectors.ckpt"
# What ends a cell or a line of TSV for Python, for browsers or for people.
BREAKS = re.compile("[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")
LONGEST_CELL = 300


def write_projector(folder: Path, name: str, vectors: np.ndarray, columns: Mapping[str, Sequence[str]]) -> None:
    """Writes points for TensorBoard; what stands in the folder is replaced.

    The folder is a run of TensorBoard's by itself, and can be moved: its files name each other relative to it.

    Args:
        folder: For this alone.
        name: What the points are called.
        vectors: float `[n, width]`.
        columns: At least two, `[n]` strings each, by name. A tab or a line's end in one becomes a space.

    Raises:
        InputError: There are fewer columns, or one has another length.
        TfdomainError: The folder cannot be written.
    """
    vectors = np.asarray(vectors, "float32")
    lengths = {column: len(values) for column, values in columns.items()}
    if len(columns) < 2 or set(lengths.values()) != {len(vectors)}:
        problem = f"{len(vectors)} vectors, and columns of the lengths {lengths}"
        raise InputError(problem, where=name, mend="give two columns or more, a value for each vector")
    with whole_folder(folder) as new:
        rows = zip(*columns.values(), strict=True)
        lines = ["\t".join(map(_cell, row)) for row in [tuple(columns), *rows]]
        (new / f"{name}.tsv").write_bytes(("\n".join(lines) + "\n").encode())
        config = ProjectorConfig()
        config.embeddings.add(tensor_name=name, metadata_path=f"{name}.tsv")
        (new / CONFIG).write_text(text_format.MessageToString(config), encoding="utf-8")
        tf.raw_ops.SaveV2(
            prefix=str(new / CHECKPOINT), tensor_names=[name], shape_and_slices=[""], tensors=[tf.constant(vectors)]
        )
        # TensorBoard looks here for the checkpoint, where a path in the config would have to be absolute.
        (new / "checkpoint").write_text(f'model_checkpoint_path: "{CHECKPOINT}"\n')
        # Without an event file it would see no run here.
        writer = EventWriter(new)
        writer.begin(None)
        writer.close()


def _cell(value: str) -> str:
    text = BREAKS.sub(" ", value)
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"
