"""Everything that a killed run needs to go on, in one file that is whole or not there."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import keras
import numpy as np
from safetensors import SafetensorError, safe_open

from tfdomain.errors import InputError
from tfdomain.files import whole_file
from tfdomain.optimization.loop import LoopState

__all__ = ["fingerprint_of_weights", "read_state", "write_state"]

DTYPES = {
    "bool": "BOOL",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
    "int32": "I32",
    "int64": "I64",
    "uint32": "U32",
    "uint64": "U64",
}
"""Names of the safetensors format."""


def write_state(path: Path, model: keras.Model, notes: dict[str, Any]) -> None:
    """Writes the model's and its optimizer's variables, the loop's state and `notes` (JSON values)."""
    metadata = {"loop": json.dumps(dataclasses.asdict(model.loop_state)), "notes": json.dumps(notes)}
    with whole_file(path, "wb") as file:
        _write_tensors(file, _variables(model), metadata)


def _write_tensors(file: IO[bytes], variables: Mapping[str, keras.Variable], metadata: dict[str, str]) -> None:
    """Writes the safetensors format one variable after the other.

    The package's own functions want a copy of all of them at once, and make another: half a gigabyte for a small
    encoder and its moments, every time that a state is kept.

    Reference: https://huggingface.co/docs/safetensors, "Format".
    """
    header: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for name, variable in variables.items():
        dtype = np.dtype(variable.dtype)
        start, end = end, end + math.prod(variable.shape) * dtype.itemsize
        header[name] = {"dtype": DTYPES[dtype.name], "shape": list(variable.shape), "data_offsets": [start, end]}
    encoded = json.dumps(header).encode()
    # The tensors begin at a multiple of eight bytes.
    encoded += b" " * (-len(encoded) % 8)
    file.write(len(encoded).to_bytes(8, "little") + encoded)
    for variable in variables.values():
        file.write(np.ascontiguousarray(variable).tobytes())


def read_state(path: Path, model: keras.Model) -> tuple[LoopState, dict[str, Any]]:
    """Sets the variables of a model that was prepared for training to the stored ones.

    Returns:
        The loop's state and the notes.

    Raises:
        InputError: The file is damaged or belongs to another model.
    """
    mend = "start the run again in a new --run-dir"
    try:
        with safe_open(path, framework="np") as file:
            header, stored = file.metadata(), set(file.keys())
            variables = _variables(model)
            if stored != set(variables):
                raise InputError("holds the state of another model", where=str(path), mend=mend)
            for name, variable in variables.items():
                variable.assign(file.get_tensor(name).reshape(variable.shape))
    except SafetensorError as error:
        raise InputError(f"is damaged ({error})", where=str(path), mend=mend) from None
    return LoopState(**json.loads(header["loop"])), json.loads(header["notes"])


def fingerprint_of_weights(model: keras.Model) -> str:
    """A SHA-256 over the model's weights, equal for equal ones."""
    digest = hashlib.sha256()
    for variable in model.weights:
        digest.update(np.ascontiguousarray(variable).tobytes())
    return digest.hexdigest()


def _variables(model: keras.Model) -> dict[str, keras.Variable]:
    # By place: Keras numbers names by process, and the order of variables is the model's own.
    own = {f"model/{place:05}": variable for place, variable in enumerate(model.weights)}
    slots = {f"optimizer/{place:05}": variable for place, variable in enumerate(model.optimizer.variables)}
    return own | slots
