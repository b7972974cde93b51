"""A trained model as a folder: the Hugging Face layout, and one `tfdomain.json` for the rest.

The folder claims only what it is. A head on the checkpoint's own pooler is what transformers
calls `BertForSequenceClassification`, and its tensors go where that class looks for them; any
other head leaves the folder a plain `BertModel`, with the head in a file of its own.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from tfdomain.encoders.checkpoints import load_encoder, read_tensors, save_checkpoint
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.files import read_json, whole_folder, write_json
from tfdomain.models.base import TextModel
from tfdomain.models.multitask import MultiTaskModel
from tfdomain.models.single_tasks import SINGLE_TASKS
from tfdomain.version import __version__

__all__ = ["FORMAT_VERSION", "TASKS", "load", "load_from", "save_model"]

FORMAT_VERSION = 1
TASKS: dict[str, type[TextModel]] = {**SINGLE_TASKS, "multitask": MultiTaskModel}
"""The model of each task."""
SIDECAR = "tfdomain.json"
HEAD_FILE = "head.safetensors"
RESTORE = "restore the file, or save the model again"


def save_model(
    model: TextModel, folder: str | os.PathLike, notes: Mapping[str, Any] | None = None, *, overwrite: bool = True
) -> None:
    """Writes a model's folder, whole or not at all; one that stands there is replaced.

    Args:
        model: Any model of this package.
        folder: Where to.
        notes: JSON values kept with the model beside those it has, such as the fingerprint of its data.
        overwrite: Whether a model that stands there may be replaced.

    Raises:
        TfdomainError: The folder cannot be written.
        InputError: The folder exists and is no model's, or may not be replaced.
    """
    folder = Path(folder)
    if not overwrite and folder.exists():
        raise InputError("exists", where=str(folder), mend="choose a new folder, or save with overwrite=True")
    if folder.exists() and not (folder / SIDECAR).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError("exists and holds something else", where=str(folder), mend="choose a new folder")
    as_transformers = model.transformers_form()
    with whole_folder(folder) as temporary:
        if as_transformers is None:
            save_checkpoint(model.encoder, temporary)
            # As bytes: the library's own writing tells a full disk in an error of its own kind.
            (temporary / HEAD_FILE).write_bytes(save(_contiguous(model.head_tensors())))
        else:
            save_checkpoint(
                model.encoder,
                temporary,
                architecture=as_transformers["architecture"],
                extra_tensors=_contiguous(as_transformers["tensors"]),
                extra_config=as_transformers["config"],
            )
        model.tokenizer.save(temporary)
        write_json(
            temporary / SIDECAR,
            {
                "format_version": FORMAT_VERSION,
                "tfdomain_version": __version__,
                "task": model.task,
                "settings": model.settings(),
                "notes": {**model.notes, **(notes or {})},
            },
        )


def load(folder: str | os.PathLike) -> TextModel:
    """Loads a model that `save` wrote, of this release or an earlier one.

    Raises:
        InputError: The folder is no model's, is damaged, or was written by a later release.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("no such folder", where=str(folder), mend="check the path")
    if not (folder / SIDECAR).is_file():
        raise InputError(
            f"holds no {SIDECAR}",
            where=str(folder),
            mend="give a folder that `save` wrote; TextClassifier.from_pretrained takes a plain checkpoint",
        )
    sidecar = _read_sidecar(folder / SIDECAR)
    encoder, tokenizer = load_encoder(folder), Tokenizer.from_pretrained(folder)
    try:
        model = TASKS[sidecar["task"]](encoder, tokenizer, **sidecar["settings"])
    except (TypeError, ValueError) as error:
        problem = f"its settings do not make a {sidecar['task']} model ({error})"
        raise InputError(problem, where=str(folder / SIDECAR), mend=RESTORE) from error
    model.set_head_tensors(_read_head(folder, model))
    model.notes = sidecar["notes"]
    return model


def load_from(path: str | os.PathLike) -> TextModel:
    """Loads a model from its own folder or from the folder of the run that made it.

    Raises:
        InputError: Neither is there.
    """
    path = Path(path)
    if (path / SIDECAR).is_file() or not path.is_dir():
        return load(path)
    if not (path / "model" / SIDECAR).is_file():
        raise InputError(
            "holds no trained model", where=str(path), mend="give a model's folder, or a run that was completed"
        )
    return load(path / "model")


def _read_sidecar(path: Path) -> dict[str, Any]:
    sidecar = read_json(path)
    if not isinstance(sidecar, dict):
        raise InputError("holds no keys", where=str(path), mend=RESTORE)
    version, task = sidecar.get("format_version"), sidecar.get("task")
    if type(version) is not int or version < 1:
        raise InputError(f"format_version is {version!r}, not a number from 1", where=str(path), mend=RESTORE)
    if version > FORMAT_VERSION:
        raise InputError(
            f"format_version is {version}, and this release reads up to {FORMAT_VERSION}",
            where=str(path),
            mend="install a newer tfdomain",
        )
    if task not in TASKS:
        raise InputError(f"task is {task!r}", where=str(path), mend=f"the tasks here are {', '.join(TASKS)}")
    for key in ("settings", "notes"):
        if not isinstance(sidecar.get(key), dict):
            raise InputError(f"{key} is {sidecar.get(key)!r}, not an object", where=str(path), mend=RESTORE)
    return sidecar


def _read_head(folder: Path, model: TextModel) -> dict[str, np.ndarray]:
    form = model.transformers_form()
    path = folder / (HEAD_FILE if form is None else "model.safetensors")
    try:
        tensors = load_file(path) if form is None else read_tensors(folder)
    except (FileNotFoundError, SafetensorError) as error:
        raise InputError(f"cannot be read ({error})", where=str(path), mend=RESTORE) from None
    expected = model.head_tensors() if form is None else form["tensors"]
    read = {}
    for name, tensor in expected.items():
        if name not in tensors:
            raise InputError(f"the tensor {name} is missing", where=str(path), mend=RESTORE)
        read[name] = tensors[name]
        if read[name].shape != tensor.shape:
            raise InputError(
                f"{name} has the shape {list(read[name].shape)}, not {list(tensor.shape)}",
                where=str(path),
                mend=RESTORE,
            )
    return read


def _contiguous(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
