"""The faults of the rows of a file: counted, remembered up to a cap, told in one line."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfdomain.errors import InputError

__all__ = ["BROKEN_UTF8", "Fault", "Faults", "Report", "line_unit"]

BROKEN_UTF8 = "broken UTF-8 (a file in another encoding wants `iconv -f latin1 -t UTF-8`)"
"""The fault of a row whose bytes are not UTF-8."""

Report = Callable[[str, Iterable[int]], None]
"""What a reader of one file calls with a kind of fault and the lines of the rows that have it."""

KEPT_FAULTS = 1000
SHOWN_LINES = 5
SHOWN_KINDS = 6


@dataclass(frozen=True)
class Fault:
    """One faulty row: the index of its file, its line there (from 1), and what is wrong with it."""

    file: int
    line: int
    problem: str


class Faults:
    """Collects faults while files are read.

    Every fault is counted, under its file and its kind; only the first `KEPT_FAULTS` are kept as
    `Fault`s, so that a file of nothing but faults costs no memory.
    """

    def __init__(self) -> None:
        self.kept: list[Fault] = []
        self.counts: dict[tuple[int, str], int] = {}
        self._first_lines: dict[tuple[int, str], list[int]] = {}

    @property
    def count(self) -> int:
        """The number of all faulty rows."""
        return sum(self.counts.values())

    def add(self, file: int, problem: str, lines: Iterable[int]) -> None:
        """Counts the rows at `lines` of the file with index `file` as faulty, all for one reason."""
        lines = [int(line) for line in lines]
        if not lines:
            return
        key = (file, problem)
        self.counts[key] = self.counts.get(key, 0) + len(lines)
        first = self._first_lines.setdefault(key, [])
        first += lines[: SHOWN_LINES - len(first)]
        self.kept += [Fault(file, line, problem) for line in lines[: KEPT_FAULTS - len(self.kept)]]

    def error(self, files: list[Path], skip_mend: str | None) -> InputError:
        """The refusal that lists every kind of fault with its first lines and how often it occurs.

        Args:
            files: The files that the faults are of.
            skip_mend: What to do to leave such rows out; None where no row would be left.
        """
        parts, named = [], None
        by_place = sorted((file, lines, problem) for (file, problem), lines in self._first_lines.items())
        for file, lines, problem in by_place[:SHOWN_KINDS]:
            place = "" if file == named else f"{files[file]}: "
            parts.append(f"{place}{_lines(lines, self.counts[file, problem], line_unit(files[file]))}: {problem}")
            named = file
        if len(self.counts) > SHOWN_KINDS:
            parts.append(f"{len(self.counts) - SHOWN_KINDS} more kinds of fault")
        mend = "no row is left: mend them" if skip_mend is None else f"mend the rows, or {skip_mend} to leave them out"
        return InputError("; ".join(parts), mend=mend)

    def to_json(self) -> dict[str, Any]:
        """A form for JSON; `from_json` takes it back."""
        return {
            "kept": [asdict(fault) for fault in sorted(self.kept, key=lambda fault: (fault.file, fault.line))],
            "counts": [
                {"file": file, "problem": problem, "count": count, "first": self._first_lines[file, problem]}
                for (file, problem), count in self.counts.items()
            ],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Faults":
        """The faults that `to_json` wrote."""
        faults = cls()
        faults.kept = [Fault(**fault) for fault in value["kept"]]
        for entry in value["counts"]:
            key = (entry["file"], entry["problem"])
            faults.counts[key], faults._first_lines[key] = entry["count"], entry["first"]
        return faults


def line_unit(file: Path) -> str:
    """What the rows of a file are counted in: lines, or rows where it has no lines."""
    return "row" if file.suffix.lower() in (".parquet", ".pq") else "line"


def _lines(first: list[int], count: int, unit: str) -> str:
    named = ", ".join(str(line) for line in first)
    if count > len(first):
        return f"{unit}s {named} and {count - len(first):,} more"
    return f"{unit} {named}" if count == 1 else f"{unit}s {named}"
