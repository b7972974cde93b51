"""One version of a model: where it lies, and where it is in its life."""

import contextlib
import enum
from dataclasses import dataclass, field
from pathlib import Path

from tensorflow_serving.apis import get_model_status_pb2

from tfdomain.serving.saved_model import LoadedModel
from tfdomain.serving.status import ServingError

__all__ = ["ModelVersion", "ServedVersion", "VersionState", "find_versions", "fingerprint_of"]

_MAX_VERSION = 2**63 - 1


class VersionState(enum.IntEnum):
    """TensorFlow Serving's names for where a version is in its life."""

    START = get_model_status_pb2.ModelVersionStatus.START
    LOADING = get_model_status_pb2.ModelVersionStatus.LOADING
    AVAILABLE = get_model_status_pb2.ModelVersionStatus.AVAILABLE
    UNLOADING = get_model_status_pb2.ModelVersionStatus.UNLOADING
    END = get_model_status_pb2.ModelVersionStatus.END


@dataclass
class ModelVersion:
    """One version, its state, and (while it is loaded) its model."""

    number: int
    folder: Path
    state: VersionState = VersionState.START
    error: ServingError | None = None
    model: LoadedModel | None = None
    num_requests: int = 0
    fingerprint: tuple = field(default=(), repr=False)


@dataclass(frozen=True)
class ServedVersion:
    """A version as a request holds it: loaded until the request lets it go."""

    number: int
    model: LoadedModel


def find_versions(directory: Path) -> dict[int, Path]:
    """The version folders of a directory, newest first.

    Raises:
        OSError: The directory cannot be read.
    """
    found: dict[int, Path] = {}
    for entry in sorted(directory.iterdir()):
        name = entry.name
        if name.isascii() and name.isdigit() and int(name) <= _MAX_VERSION and (entry / "saved_model.pb").is_file():
            found[int(name)] = entry
    return dict(sorted(found.items(), reverse=True))


def fingerprint_of(folder: Path) -> tuple:
    """Names, sizes and times of a folder's files: another value means that something was written."""
    files = []
    for path in sorted(folder.rglob("*")):
        with contextlib.suppress(OSError):
            status = path.stat()
            files.append((str(path), status.st_size, status.st_mtime_ns))
    return tuple(files)
