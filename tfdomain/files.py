"""Files and folders that appear whole or not at all.

Everything is written under a temporary name beside its target, flushed to the disk and renamed:
a reader never meets half a file, and a full disk leaves the old one untouched.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from tfdomain.errors import InputError, TfdomainError

__all__ = [
    "hash_file",
    "read_json",
    "read_json_lines",
    "remove_leftovers",
    "whole_file",
    "whole_folder",
    "write_json",
    "write_json_lines",
]


@contextlib.contextmanager
def whole_file(path: str | os.PathLike, mode: str = "w") -> Iterator[IO]:
    """Opens a file for writing that replaces `path` only when the block ends without an error.

    Args:
        path: The target; its folder is created where it is missing.
        mode: `"w"` (UTF-8 text, newlines as given) or `"wb"`.

    Raises:
        TfdomainError: The disk is full or the folder cannot be written; `path` is unchanged.
    """
    path = Path(path)
    encoding, newline = (None, None) if "b" in mode else ("utf-8", "")
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with open(descriptor, mode, encoding=encoding, newline=newline) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        _sync_folder(path.parent)


@contextlib.contextmanager
def whole_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Gives an empty temporary folder that becomes `path` when the block ends without an error.

    A folder that already stands at `path` is replaced; it is kept until the new one is complete.

    Raises:
        TfdomainError: The disk is full or the parent cannot be written; `path` is unchanged.
    """
    path = Path(path)
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            yield temporary
            for folder, _, names in os.walk(temporary):
                for name in names:
                    _sync(os.path.join(folder, name))
                _sync_folder(folder)
            os.chmod(temporary, 0o777 & ~_umask())
            _replace_folder(temporary, path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        _sync_folder(path.parent)


def remove_leftovers(paths: Iterable[Path]) -> None:
    """Removes what killed processes left beside these files and folders: halves under temporary names."""
    for path in paths:
        half = re.compile(rf"\.{re.escape(path.name)}\.(old\.)?[a-z0-9_]{{8}}")
        for found in path.parent.iterdir() if path.parent.is_dir() else ():
            if half.fullmatch(found.name):
                shutil.rmtree(found) if found.is_dir() else found.unlink()


def read_json(path: str | os.PathLike) -> Any:
    """Reads a JSON file.

    Raises:
        InputError: The file is missing, is not UTF-8, or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("no such file", where=str(path), mend="check the path") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"is not JSON ({error})", where=str(path), mend="restore the file") from error


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Writes `value` as indented UTF-8 JSON, whole or not at all; NaN is refused (it is not JSON)."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    with whole_file(path) as file:
        file.write(text + "\n")


def read_json_lines(path: str | os.PathLike) -> list[Any]:
    """The values of a file with one in each line; none where there is no file."""
    path = Path(path)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def write_json_lines(path: str | os.PathLike, values: Iterable[Any]) -> None:
    """Writes values as UTF-8 JSON, one a line, whole or not at all."""
    with whole_file(path) as file:
        file.writelines(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n" for value in values)


def hash_file(path: str | os.PathLike) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    mends = {
        errno.ENOSPC: "free some space and run it again",
        errno.EDQUOT: "free some space and run it again",
        errno.EACCES: "choose a folder that you may write to",
        errno.EROFS: "choose a folder that you may write to",
        errno.ENOTDIR: "choose a path whose parents are folders",
        errno.EEXIST: "choose a path whose parents are folders",
    }
    try:
        yield
    except OSError as error:
        if error.errno not in mends:
            raise
        problem = f"cannot be written ({os.strerror(error.errno).lower()})"
        raise TfdomainError(problem, where=str(path), mend=mends[error.errno]) from error


def _replace_folder(new: Path, path: Path) -> None:
    # A folder cannot be renamed over one that is not empty: the old one steps aside first.
    if path.is_dir():
        old = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
        os.rename(path, old / "replaced")
        try:
            os.rename(new, path)
        except BaseException:
            os.rename(old / "replaced", path)
            raise
        finally:
            shutil.rmtree(old, ignore_errors=True)
    else:
        os.rename(new, path)


def _sync(path: str | os.PathLike) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(path: str | os.PathLike) -> None:
    # Some file systems refuse to fsync a folder; the rename itself is atomic all the same.
    with contextlib.suppress(OSError):
        _sync(path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
