"""Everything that a killed run needs to go on, in one file that is whole or not there."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from tfdomain.errors import InputError
from tfdomain.files import whole_file
from tfdomain.optimization.loop import LoopState

__all__ = ["read_state", "write_state"]


def write_state(path: Path, model: keras.Model, notes: dict[str, Any]) -> None:
    """Writes the model's and its optimizer's variables, the loop's state and `notes` (JSON values)."""
    tensors = {name: np.asarray(variable) for name, variable in _variables(model).items()}
    header = {"loop": json.dumps(dataclasses.asdict(model.loop_state)), "notes": json.dumps(notes)}
    data = save(tensors, metadata=header)
    with whole_file(path, "wb") as file:
        file.write(data)


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


def _variables(model: keras.Model) -> dict[str, keras.Variable]:
    # By place: Keras numbers names by process, and the order of variables is the model's own.
    own = {f"model/{place:05}": variable for place, variable in enumerate(model.weights)}
    slots = {f"optimizer/{place:05}": variable for place, variable in enumerate(model.optimizer.variables)}
    return own | slots
