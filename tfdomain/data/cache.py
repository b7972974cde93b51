"""Where things that can be made again are kept: parsed rows, token lengths, fetched data sets."""

import contextlib
import errno
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import platformdirs

from tfdomain.errors import InputError, TfdomainError

__all__ = ["cache_dir", "explained_cache", "sweep"]

# A writer of a live process touches its temporary file at every block; a day without is a dead one.
ABANDONED_SECONDS = 24 * 3600


def cache_dir() -> Path:
    """The folder for caches: the variable `TFDOMAIN_CACHE_DIR`, else the user's own cache folder.

    Returns:
        The folder, which need not exist yet.
    """
    folder = os.environ.get("TFDOMAIN_CACHE_DIR")
    return Path(folder).expanduser() if folder else Path(platformdirs.user_cache_dir("tfdomain"))


@contextlib.contextmanager
def explained_cache(folder: str | os.PathLike) -> Iterator[None]:
    """Turns the failures of a cache folder within the block into one line that says what to set.

    Errors of the files that are read meanwhile are `InputError`s already, and pass.

    Raises:
        TfdomainError: The folder cannot be made, read or written, or its disk is full.
    """
    try:
        yield
    except InputError:
        raise
    except (OSError, TfdomainError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError):
            raise
        variable = "TFDOMAIN_CACHE_DIR" if Path(folder) == cache_dir() else "the cache folder (or TMPDIR)"
        mend = f"set {variable} to a folder that you may write to"
        if cause.errno in (errno.ENOSPC, errno.EDQUOT):
            mend = f"free some space, or {mend}"
        reason = (os.strerror(cause.errno) if cause.errno else str(cause)).lower()
        raise TfdomainError(f"the cache cannot be used ({reason})", where=str(folder), mend=mend) from error


def sweep(folder: str | os.PathLike, *, older_than: float = ABANDONED_SECONDS) -> list[Path]:
    """Removes the temporary files that killed writers left in a cache folder.

    Finished entries are never touched: only names that start with a dot, as `files.whole_file` makes
    them, and only those whose last change is long ago, so that a writer at work is safe.

    Args:
        folder: A cache folder; a missing one is an empty one.
        older_than: Seconds since the last change.

    Returns:
        The files that were removed.
    """
    now, removed = time.time(), []
    for path in _hidden_files(Path(folder)):
        try:
            if now - path.stat().st_mtime > older_than:
                path.unlink()
                removed.append(path)
        except OSError:
            # Another process swept it first, or it is not ours to remove: either way not our concern.
            continue
    return removed


def _hidden_files(folder: Path) -> Iterable[Path]:
    return sorted(folder.glob(".*")) if folder.is_dir() else []
