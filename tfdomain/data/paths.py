"""From what an experiment file says about its data to the files themselves."""

import contextlib
import glob
import os
from collections.abc import Sequence
from pathlib import Path

from tfdomain.data.cache import cache_dir
from tfdomain.data.datasets import list_datasets
from tfdomain.data.names import near_names
from tfdomain.data.sources import explained_reading
from tfdomain.errors import InputError

__all__ = ["data_dir", "find_files"]

_WILDCARDS = frozenset("*?[")


def data_dir() -> Path:
    """The folder of data sets: the variable `TFDOMAIN_DATA_DIR`, else `data` in the cache folder."""
    folder = os.environ.get("TFDOMAIN_DATA_DIR")
    return Path(folder).expanduser() if folder else cache_dir() / "data"


def find_files(
    value: str | os.PathLike | Sequence[str | os.PathLike], *, relative_to: Path | None = None
) -> list[Path]:
    """The files that a path, several of them, or a glob names.

    A relative one is looked for in `relative_to` first (the experiment file's folder), then in the
    folder of data sets. An existing file wins over a reading of its name as a glob.

    Args:
        value: A path, a glob (`*`, `?`, `[...]`, `**` for any depth), or a list of them.
        relative_to: The folder of the file that holds `value`; None: the folder of data sets alone.

    Returns:
        The files in the order given, those of one glob sorted by name; each file once.

    Raises:
        InputError: Nothing was found; the message says where it was looked for, and near names.
    """
    items = [value] if isinstance(value, str | os.PathLike) else list(value)
    if not items:
        raise InputError("no file is named", where="data", mend="give a path, a list of paths or a glob")
    roots = [Path(root) for root in (relative_to, data_dir()) if root is not None]
    found = [path for item in items for path in _find(os.fspath(item), roots)]
    return list(dict.fromkeys(found))


def _find(text: str, roots: list[Path]) -> list[Path]:
    path = Path(text).expanduser()
    candidates = [path] if path.is_absolute() else [root / path for root in roots]
    # Only what was given is a pattern: a root's own name may hold brackets.
    patterns = [str(path)] if path.is_absolute() else [os.path.join(glob.escape(str(root)), path) for root in roots]
    for candidate, pattern in zip(candidates, patterns, strict=True):
        with explained_reading(candidate):
            if candidate.is_file():
                return [candidate]
            if _WILDCARDS & set(text):
                files = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]
                files = [match for match in files if match.is_file()]
                if files:
                    return files
    raise _not_found(text, candidates)


def _not_found(text: str, candidates: list[Path]) -> InputError:
    folders = [candidate for candidate in candidates if candidate.is_dir()]
    if folders:
        return InputError("is a folder, not a file", where=str(folders[0]), mend=f"name its files: {text}/*.csv")
    kind = "no file matches" if _WILDCARDS & set(text) else "no such file"
    places = " or ".join(dict.fromkeys(str(candidate.parent) for candidate in candidates))
    near: list[str] = []
    for candidate in candidates:
        # A folder that may not be listed has no near names to tell.
        with contextlib.suppress(OSError):
            near += near_names(candidate.name, [entry.name for entry in candidate.parent.iterdir()])
    folder = Path(text).parts[0]
    if near:
        mend = f"did you mean {' or '.join(dict.fromkeys(near))}?"
    elif folder in {dataset.name for dataset in list_datasets()}:
        mend = f"`tfdomain data fetch {folder}` brings that data set"
    else:
        mend = "check the path"
    return InputError(f"{kind} in {places}", where=text, mend=mend)
