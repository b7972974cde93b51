"""A corpus as token ids on disk: tokenized once, read wherever a batch needs it."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.files import read_json, whole_folder, write_json
from tfdomain.optimization.progress import with_bar

__all__ = ["TokenStore", "write_token_store"]

TEXTS_AT_A_TIME = 256
# A longer document is tokenized in parts: the graph's memory grows with the longest text of a batch.
LONGEST_PART = 100_000
IDS, STARTS, NOTES = "token_ids.int32", "starts.npy", "tokens.json"


@dataclasses.dataclass(frozen=True)
class TokenStore:
    """The documents of a corpus as token ids, without special tokens.

    Attributes:
        token_ids: int32 `[tokens]`, all documents one behind the other, mapped from disk.
        starts: int64 `[documents + 1]`, where each one begins, and the end.
    """

    token_ids: np.ndarray
    starts: np.ndarray

    @property
    def num_documents(self) -> int:
        """The number of documents."""
        return len(self.starts) - 1

    @property
    def num_tokens(self) -> int:
        """The number of tokens, without special ones."""
        return int(self.starts[-1])

    @classmethod
    def open(cls, folder: Path) -> "TokenStore":
        """Maps what `write_token_store` wrote."""
        return cls(np.memmap(folder / IDS, np.int32, "r"), np.load(folder / STARTS))


def write_token_store(texts: pa.ChunkedArray | pa.Array, tokenizer: Tokenizer, folder: Path) -> TokenStore:
    """Tokenizes a corpus into a folder, or takes what stands there if it came from the same.

    Args:
        texts: Strings `[documents]`; they may stay on disk.
        tokenizer: Whose ids are stored.
        folder: Appears whole, and is replaced if it holds another tokenizer's ids.

    Raises:
        InputError: No document has a token.
        TfdomainError: The folder cannot be written.
    """
    told = {"tokenizer": tokenizer.fingerprint, "documents": len(texts)}
    if (folder / NOTES).is_file() and read_json(folder / NOTES) == told:
        return TokenStore.open(folder)
    with whole_folder(folder) as temporary:
        lengths = _write_ids(texts, tokenizer, temporary / IDS)
        starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        if starts[-1] == 0:
            raise InputError("no document has a token", where="corpus", mend="check its files and the vocabulary")
        np.save(temporary / STARTS, starts)
        write_json(temporary / NOTES, told)
    return TokenStore.open(folder)


def _write_ids(texts: pa.ChunkedArray | pa.Array, tokenizer: Tokenizer, path: Path) -> np.ndarray:
    """Writes the ids of all documents, and gives the tokens of each, int64 `[documents]`."""
    lengths = np.zeros(len(texts), np.int64)
    num_batches = -(-len(texts) // TEXTS_AT_A_TIME)
    with path.open("wb") as file:
        for number in with_bar(range(num_batches), num_batches=num_batches, title="tokenizing"):
            first = number * TEXTS_AT_A_TIME
            batch = texts.slice(first, TEXTS_AT_A_TIME).to_pylist()
            owners, parts = zip(*((row, part) for row, text in enumerate(batch) for part in _parts(text)), strict=True)
            rows, ids = _tokenize(parts, np.array(owners), tokenizer)
            file.write(ids.tobytes())
            np.add.at(lengths, first + rows, 1)
    return lengths


def _tokenize(parts: Sequence[str], owners: np.ndarray, tokenizer: Tokenizer) -> tuple[np.ndarray, np.ndarray]:
    """For each token its document's number in the batch, and its id."""
    tokens = tokenizer(list(parts), max_length=None)
    ids, mask = tokens["token_ids"].numpy(), tokens["padding_mask"].numpy().astype(bool)
    # All but [CLS] in front and [SEP] at the end.
    mask[:, 0] = False
    mask[np.arange(len(mask)), mask.sum(axis=1)] = False
    return np.broadcast_to(owners[:, np.newaxis], mask.shape)[mask], ids[mask]


def _parts(text: str) -> Iterator[str]:
    """A document cut at white space where it is longer than the graph should see at once."""
    while len(text) > LONGEST_PART:
        cut = max(text.rfind(" ", 0, LONGEST_PART), text.rfind("\n", 0, LONGEST_PART))
        # Chinese has no spaces, and any place between two characters is one between words.
        cut = cut if cut > 0 else LONGEST_PART
        yield text[:cut]
        text = text[cut:]
    yield text
