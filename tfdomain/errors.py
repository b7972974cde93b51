"""The one form of every error a person can cause or meet.

An error says in one line what was wrong, where, and how to mend it. The command line prints
that line alone and exits with `exit_code`; a traceback is shown only on `--debug`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["InputError", "TfdomainError", "within"]


class TfdomainError(Exception):
    """Something outside the caller's control failed: a full disk, a port in use, a lost host.

    Args:
        problem: What is wrong, with the offending value in it; no full stop at the end.
        where: The file, line, key or argument that it stands in.
        mend: What to do about it, as an instruction.

    Example:
        >>> print(TfdomainError("port 8501 is in use", where="--rest-port", mend="choose another"))
        --rest-port: port 8501 is in use; choose another
    """

    exit_code = 1

    def __init__(self, problem: str, *, where: str | None = None, mend: str | None = None):
        self.problem, self.where, self.mend = problem, where, mend
        line = problem if where is None else f"{where}: {problem}"
        if mend is not None:
            line = f"{line}; {mend}"
        super().__init__(" ".join(line.split()))


class InputError(TfdomainError, ValueError):
    """The caller's own mistake: a missing file, an unknown key, a value out of range."""

    exit_code = 2


@contextmanager
def within(place: str) -> Iterator[None]:
    """Names a place before that of whatever input is found wrong in the block: whose file it is, among several.

    Args:
        place: Such as `tasks.intent`; an empty one names nothing.

    Raises:
        InputError: One was raised in the block.
    """
    try:
        yield
    except InputError as error:
        if not place:
            raise
        where = place if error.where is None else f"{place}: {error.where}"
        raise InputError(error.problem, where=where, mend=error.mend) from error
