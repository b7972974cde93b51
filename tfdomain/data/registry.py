"""Public data sets by name: their files on this machine, and their rows.

The table of them is `datasets.py`. Files are looked for in the folder of data sets (`TFDOMAIN_DATA_DIR`, else the
user's cache) and fetched only if they are not there; each is held to its SHA-256.
"""

import gzip
import hashlib
import logging
import tempfile
from pathlib import Path

import pyarrow as pa

from tfdomain.data.datasets import Dataset, RemoteFile, dataset, describe, list_datasets
from tfdomain.data.paths import data_dir
from tfdomain.data.registry_parsers import PARSERS
from tfdomain.errors import InputError, TfdomainError
from tfdomain.files import whole_file

__all__ = ["describe", "fetch", "list_datasets", "load"]

TIMEOUT_SECONDS = 30


def fetch(name: str) -> Path:
    """The folder of a data set, with all of its files in it.

    Files that are there already, plain or gzipped, are checked and used; the network is asked only for
    those that are not.

    Raises:
        InputError: There is no such data set.
        TfdomainError: A file cannot be downloaded or written, or is not the registered one.
    """
    entry = dataset(name)
    folder = data_dir() / name
    for file in entry.files:
        _content(entry, file, folder)
    return folder


def load(name: str, part: str) -> pa.Table:
    """The rows of a part of a data set, in the common form of `registry_parsers`.

    Raises:
        InputError: There is no such data set or part.
        TfdomainError: As for `fetch`.
    """
    entry = dataset(name)
    if part not in entry.parts:
        raise InputError(f"has no part {part!r}", where=name, mend=f"its parts are {', '.join(entry.parts)}")
    settings = dict(entry.parts[part])
    parser, names = PARSERS[settings.pop("parser")], settings.pop("file")
    names = [names] if isinstance(names, str) else names
    by_name = {file.name: file for file in entry.files}
    contents = [_content(entry, by_name[file], data_dir() / name) for file in names]
    return parser(*contents, **settings)


def _content(entry: Dataset, file: RemoteFile, folder: Path) -> bytes:
    """The original bytes of a file, from the folder or else from its address."""
    path = folder / file.name
    other = path.with_name(path.name.removesuffix(".gz") if path.suffix == ".gz" else path.name + ".gz")
    for candidate in (path, other):
        if candidate.is_file():
            content = _unzipped(candidate)
            if hashlib.sha256(content).hexdigest() != file.sha256:
                problem = "is not the registered file (its sha256 differs)"
                raise TfdomainError(problem, where=str(candidate), mend="delete it and fetch it again")
            return content
    content = _download(entry, file)
    with whole_file(path, "wb") as target:
        target.write(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return content


def _unzipped(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError) as error:
        raise TfdomainError(
            f"is not sound gzip ({error})", where=str(path), mend="delete it and fetch it again"
        ) from None


def _download(entry: Dataset, file: RemoteFile) -> bytes:
    if file.url is None:
        problem = f"has no address of its own (it was made from {entry.origin})"
        mend = f"put it into {data_dir() / entry.name}"
        raise TfdomainError(problem, where=f"{entry.name}/{file.name}", mend=mend)
    import pooch

    pooch.get_logger().setLevel(logging.WARNING)
    downloader = pooch.HTTPDownloader(timeout=TIMEOUT_SECONDS)
    with tempfile.TemporaryDirectory(prefix="tfdomain-") as folder:
        try:
            path = pooch.retrieve(file.url, f"sha256:{file.sha256}", fname="file", path=folder, downloader=downloader)
        except (ValueError, OSError) as error:
            # pooch tells of a wrong hash by a ValueError; the errors of its HTTP client are OSErrors.
            reason = "its sha256 is not the registered one" if isinstance(error, ValueError) else type(error).__name__
            mend = f"try again, or put the file into {data_dir() / entry.name}"
            raise TfdomainError(f"cannot be downloaded ({reason})", where=file.url, mend=mend) from error
        return Path(path).read_bytes()
