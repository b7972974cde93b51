"""The table of public data sets: what they are, where they come from, their files and parts."""

import urllib.parse
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from tfdomain.data.names import near_names
from tfdomain.errors import InputError

__all__ = ["Dataset", "RemoteFile", "dataset", "describe", "list_datasets"]

RAW_ADDRESS = "https://raw.githubusercontent.com/"


@dataclass(frozen=True)
class RemoteFile:
    """A file of a data set.

    Attributes:
        name: Its path within the data set's folder; `.gz` at the end means that we keep it gzipped.
        sha256: Of the original, unzipped bytes.
        address: Repository, commit and path on GitHub; None for a file that was made from many.
    """

    name: str
    sha256: str
    address: str | None = None

    @property
    def url(self) -> str | None:
        """Where the original is downloaded from, at its commit."""
        return None if self.address is None else RAW_ADDRESS + urllib.parse.quote(self.address)


@dataclass(frozen=True)
class Dataset:
    """A data set: what people ask before they use one, and how it is read.

    Attributes:
        name: As `fetch` and `load` take it; also the name of its folder.
        about: One line.
        task: What its labels are for.
        languages: ISO 639-1 codes.
        licence: As its source states it.
        repositories: Its origins: GitHub repository to commit.
        files: Its files.
        parts: Its parts by name, each with the settings of its parser.
    """

    name: str
    about: str
    task: str
    languages: list[str]
    licence: str
    repositories: dict[str, str]
    files: list[RemoteFile]
    parts: dict[str, dict[str, Any]]

    @property
    def origin(self) -> str:
        """The addresses of the repositories, at the commits that the hashes are of."""
        return ", ".join(f"https://github.com/{name}/tree/{commit}" for name, commit in self.repositories.items())


def list_datasets() -> list[Dataset]:
    """All registered data sets, by name."""
    return list(_datasets().values())


def dataset(name: str) -> Dataset:
    """A registered data set.

    Raises:
        InputError: There is none of the name; the nearest names are told.
    """
    if name not in _datasets():
        near = near_names(name, _datasets())
        mend = f"did you mean {' or '.join(near)}?" if near else f"the data sets are {', '.join(_datasets())}"
        raise InputError("no such data set", where=name, mend=mend)
    return _datasets()[name]


def describe(name: str) -> list[tuple[str, str]]:
    """All that is registered of a data set, as lines to print: (what it is, its value).

    The keys are `name`, `about`, `task`, `languages`, `licence`, then one `origin` a repository (its address
    at the commit), one `part` each (name and files), and one `file` each (name, `sha256`, and where it is
    downloaded from).

    Raises:
        InputError: There is none of the name.
    """
    entry = dataset(name)
    lines = [("name", name), ("about", entry.about), ("task", entry.task)]
    lines += [("languages", ", ".join(entry.languages)), ("licence", entry.licence)]
    lines += [("origin", address) for address in entry.origin.split(", ")]
    for part, settings in entry.parts.items():
        files = settings["file"]
        lines.append(("part", f"{part} (of {files if isinstance(files, str) else ' and '.join(files)})"))
    for file in entry.files:
        source = file.url or "made from many files of its origin"
        lines.append(("file", f"{file.name}  sha256 {file.sha256}  {source}"))
    return lines


@cache
def _datasets() -> dict[str, Dataset]:
    text = resources.files("tfdomain.data").joinpath("datasets.yaml").read_text(encoding="utf-8")
    table = {}
    for name, fields in sorted(yaml.safe_load(text).items()):
        files = [RemoteFile(file, **place) for file, place in fields.pop("files").items()]
        table[name] = Dataset(name=name, files=files, **fields)
    return table
