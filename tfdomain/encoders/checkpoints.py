"""A folder in the Hugging Face layout becomes an encoder, and an encoder such a folder.

Only safetensors are read: a pickled `pytorch_model.bin` runs whatever code its author put in it.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from tfdomain.encoders import _hf
from tfdomain.encoders.config import read_config
from tfdomain.encoders.encoder import Encoder
from tfdomain.errors import InputError
from tfdomain.files import read_json, write_json

__all__ = [
    "TensorFiles",
    "encoder_tensors",
    "load_encoder",
    "read_head_tensors",
    "read_tensors",
    "save_checkpoint",
]

_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"
_FLOATS = {"F64", "F32", "F16", "BF16"}
_RESTORE = "download or copy the checkpoint again"


class TensorFiles(Mapping[str, np.ndarray]):
    """The tensors of a folder by name, each read when it is asked for; floats come as float32.

    Args:
        files: The safetensors file of each name.
    """

    def __init__(self, files: Mapping[str, Path]):
        self._files = dict(files)
        self._opened = {path: _open(path) for path in sorted(set(self._files.values()))}
        for name, path in self._files.items():
            if name not in self._opened[path].keys():  # noqa: SIM118 (a safetensors handle is no mapping)
                raise InputError(f"has no tensor {name}, which {_INDEX} promises", where=str(path), mend=_RESTORE)

    def __getitem__(self, name: str) -> np.ndarray:
        opened = self._opened[self._files[name]]
        if opened.get_slice(name).get_dtype() in _FLOATS:
            return np.asarray(opened.get_tensor(name), dtype=np.float32)
        return opened.get_tensor(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def file_of(self, name: str) -> Path:
        """The file that a tensor stands in."""
        return self._files[name]

    def describe(self, name: str) -> tuple[tuple[int, ...], str]:
        """A tensor's shape and its stored type (`F32`, `BF16`, `I64`, ...), without reading it."""
        found = self._opened[self._files[name]].get_slice(name)
        return tuple(found.get_shape()), found.get_dtype()


def read_tensors(folder: str | os.PathLike) -> TensorFiles:
    """Opens `model.safetensors`, or the shards that `model.safetensors.index.json` names.

    Raises:
        InputError: There is neither, a shard is missing, or a file is damaged.
    """
    folder = Path(folder)
    if (folder / _WEIGHTS).is_file():
        path = folder / _WEIGHTS
        return TensorFiles(dict.fromkeys(_open(path).keys(), path))
    if (folder / _INDEX).is_file():
        return TensorFiles(_read_index(folder))
    if not folder.is_dir():
        raise InputError("no such folder", where=str(folder), mend="check the path")
    if any(folder.glob("pytorch_model*.bin")) or any(folder.glob("*.h5")):
        mend = (
            'convert it once where torch is: python -c "import transformers; transformers.AutoModel.'
            "from_pretrained('FOLDER').save_pretrained('NEW_FOLDER')\""
        )
        raise InputError(f"has weights but no {_WEIGHTS}; other formats are never read", where=str(folder), mend=mend)
    raise InputError(f"has no {_WEIGHTS}", where=str(folder), mend="give the folder of a checkpoint")


def load_encoder(
    folder: str | os.PathLike, *, dropout_rate: float | None = None, pooler: bool | None = None
) -> Encoder:
    """Builds the encoder of a checkpoint's folder.

    The `bert.` prefix and a pooler may be there or not; heads are passed over (see `read_head_tensors`).

    Args:
        folder: Has `config.json` and the safetensors.
        dropout_rate: Sets every dropout rate; None keeps the checkpoint's.
        pooler: Whether to load the pooler; None: where the checkpoint has one.

    Raises:
        InputError: A file is missing or damaged, a tensor is missing, of another shape than the configuration
            says, not of floating point, or of a layer that the configuration does not have.
    """
    config = read_config(folder).with_dropout_rate(dropout_rate)
    tensors = read_tensors(folder)
    names = _encoder_names(tensors, folder)
    in_file = any(name.startswith("pooler.") for name in names)
    wanted = _hf.foreign_tensors(config, pooler=in_file if pooler is None else pooler)
    known = {foreign.name for foreign in _hf.foreign_tensors(config, pooler=in_file).values()}
    for name, stored in names.items():
        if name not in known:
            mend = f"config.json has num_hidden_layers {config.num_hidden_layers}: is it this checkpoint's?"
            raise InputError(
                f"tensor {stored} is unknown to this encoder", where=str(tensors.file_of(stored)), mend=mend
            )
    for foreign in wanted.values():
        _check_tensor(foreign, names, tensors, folder)
    encoder = Encoder(config, pooler="pooler/dense_kernel" in wanted, initialize=False)
    for own, variable in encoder.named_weights().items():
        variable.assign(wanted[own].convert(tensors[names[wanted[own].name]]))
    return encoder


def read_head_tensors(folder: str | os.PathLike) -> dict[str, np.ndarray]:
    """The tensors of a checkpoint that are no part of its encoder (a head's), by name."""
    tensors = read_tensors(folder)
    prefix = _prefix(tensors)
    return {
        name: tensors[name]
        for name in tensors
        if not (name.startswith(prefix) and _hf.is_encoder_tensor(name.removeprefix(prefix)))
    }


def encoder_tensors(encoder: Encoder, prefix: str = "") -> dict[str, np.ndarray]:
    """The encoder's weights under Hugging Face's names and in its layout, float32."""
    foreign = _hf.foreign_tensors(encoder.config, pooler=encoder.has_pooler)
    return {
        prefix + foreign[own].name: foreign[own].convert(np.asarray(variable.numpy(), dtype=np.float32))
        for own, variable in encoder.named_weights().items()
    }


def save_checkpoint(
    encoder: Encoder,
    folder: str | os.PathLike,
    *,
    extra_tensors: Mapping[str, np.ndarray] | None = None,
    extra_config: Mapping[str, Any] | None = None,
    architecture: str = "BertModel",
) -> None:
    """Writes `config.json` and `model.safetensors` into an existing folder.

    Args:
        encoder: What to write.
        folder: Exists; wrap the call in `files.whole_folder` so that the whole folder appears at once.
        extra_tensors: A head's tensors under their final names.
        extra_config: Fields to add to `config.json`, such as `id2label`.
        architecture: The transformers class that the folder is loadable as. All but `BertModel` have the
            encoder under `bert.`.

    Raises:
        OSError: The disk is full or the folder cannot be written (`whole_folder` explains it).
    """
    folder = Path(folder)
    tensors = encoder_tensors(encoder, "" if architecture == "BertModel" else _hf.PREFIX)
    for name, array in (extra_tensors or {}).items():
        if name in tensors:
            raise InputError(f"{name} is a tensor of the encoder", where="extra_tensors", mend="choose another name")
        tensors[name] = np.ascontiguousarray(array)
    config = {"architectures": [architecture]} | encoder.config.to_dict() | {"dtype": "float32"}
    write_json(folder / "config.json", config | dict(extra_config or {}))
    try:
        # Readers of the layout look for this note and refuse a file without it.
        safetensors.numpy.save_file(tensors, folder / _WEIGHTS, metadata={"format": "pt"})
    except safetensors.SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(folder / _WEIGHTS)) from error


def _encoder_names(tensors: TensorFiles, folder: str | os.PathLike) -> dict[str, str]:
    # From a tensor's name without prefix and in today's spelling to its name in the file.
    prefix = _prefix(tensors)
    names = {_hf.modern_name(name.removeprefix(prefix)): name for name in tensors if name.startswith(prefix)}
    names = {name: stored for name, stored in names.items() if _hf.is_encoder_tensor(name)}
    if not any(name.startswith("embeddings.") for name in names):
        shown = ", ".join(sorted(tensors)[:3]) or "none at all"
        raise InputError(
            f"has no BERT encoder's tensors (but {shown})", where=str(folder), mend="give a BERT checkpoint"
        )
    return {name: stored for name, stored in names.items() if not _hf.is_ignored(name)}


def _prefix(tensors: TensorFiles) -> str:
    return _hf.PREFIX if any(name.startswith(_hf.PREFIX) for name in tensors) else ""


def _check_tensor(
    foreign: _hf.ForeignTensor, names: Mapping[str, str], tensors: TensorFiles, folder: str | os.PathLike
) -> None:
    if foreign.name not in names:
        mend = "load it with pooler=False" if foreign.name.startswith("pooler.") else _RESTORE
        raise InputError(f"tensor {foreign.name} is missing", where=str(folder), mend=mend)
    stored = names[foreign.name]
    where = str(tensors.file_of(stored))
    shape, dtype = tensors.describe(stored)
    if shape != foreign.shape:
        problem = f"tensor {stored} has shape {list(shape)}, but config.json makes it {list(foreign.shape)}"
        raise InputError(problem, where=where, mend="use the config.json that belongs to these weights")
    if dtype not in _FLOATS:
        mend = "use the checkpoint that is not quantized"
        raise InputError(f"tensor {stored} is of type {dtype}, not of floating point", where=where, mend=mend)


def _open(path: Path) -> Any:
    try:
        return safetensors.safe_open(path, framework="np")
    except FileNotFoundError:
        raise InputError(f"is missing, but {_INDEX} names it", where=str(path), mend=_RESTORE) from None
    except safetensors.SafetensorError as error:
        raise InputError(f"is damaged or cut short ({error})", where=str(path), mend=_RESTORE) from error


def _read_index(folder: Path) -> dict[str, Path]:
    path = folder / _INDEX
    index = read_json(path)
    files = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(files, dict) or not files or not all(isinstance(name, str) for name in files.values()):
        raise InputError("has no weight_map from tensor names to files", where=str(path), mend=_RESTORE)
    for name in sorted(set(files.values())):
        if Path(name).name != name:
            raise InputError(f"names {name!r}, which is outside of the folder", where=str(path), mend=_RESTORE)
    return {name: folder / file for name, file in files.items()}
