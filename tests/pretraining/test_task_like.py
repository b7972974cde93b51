import numpy as np
import pyarrow as pa
import pytest

from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.models.embedder import TextEmbedder
from tfdomain.pretraining.task_like import nearest_documents


@pytest.fixture(scope="module")
def parts(tiny_checkpoint):
    return {
        "encoder": Encoder.from_pretrained(tiny_checkpoint),
        "tokenizer": Tokenizer.from_pretrained(tiny_checkpoint),
    }


@pytest.fixture(scope="module")
def embedder(parts):
    return TextEmbedder(**parts, max_length=64)


@pytest.fixture(scope="module")
def documents(labelled_texts):
    """Texts that differ among their first ten words."""
    words = " ".join(labelled_texts[0]).split()
    random = np.random.default_rng(1)
    texts = [" ".join(random.choice(words, random.integers(2, 40))) for _ in range(80)]
    return list({tuple(text.split()[:10]): text for text in texts}.values())


def vectors(texts, parts, max_length):
    """The means of texts of one length at a time, so that there is no padding; in float64."""
    tokens = {name: value.numpy() for name, value in parts["tokenizer"](texts, max_length=max_length).items()}
    lengths, found = tokens["padding_mask"].sum(axis=1), np.empty((len(texts), 16))
    for length in np.unique(lengths):
        alike = lengths == length
        hidden = parts["encoder"]({"token_ids": tokens["token_ids"][alike, :length]})
        found[alike] = hidden.numpy().astype("float64").mean(axis=1)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def reference(documents, task_texts, parts, per_text, max_length):
    cosines = vectors(task_texts, parts, max_length) @ vectors(documents, parts, max_length).T
    ordered = -np.sort(-cosines, axis=1)
    # What rounding could change is no test.
    assert (ordered[:, per_text - 1] - ordered[:, per_text]).min() > 1e-5
    return {int(row) for line in cosines for row in np.argsort(-line)[:per_text]}


@pytest.mark.parametrize(("per_text", "max_length"), [(1, 64), (3, 12)])
def test_as_every_cosine_in_numpy(parts, documents, labelled_texts, per_text, max_length):
    task_texts = labelled_texts[0][:6]
    expected = reference(documents, task_texts, parts, per_text, max_length)
    assert per_text < len(expected) < len(documents)
    embedder = TextEmbedder(**parts, max_length=max_length)
    rows = nearest_documents(documents, task_texts, embedder=embedder, per_text=per_text)
    assert rows.dtype == np.int64
    assert rows.tolist() == sorted(expected)
    # In chunks, of which the last is smaller than what is asked for, and from the disk.
    array = pa.array(documents, pa.large_string())
    chunked = pa.chunked_array([array[:31], array[31:]])
    for given in (documents, chunked):
        again = nearest_documents(given, task_texts, embedder=embedder, per_text=per_text, chunk=29)
        assert again.tolist() == sorted(expected)


def test_more_than_there_are(embedder, documents):
    rows = nearest_documents(documents[:5], documents[5:7], embedder=embedder, per_text=9)
    assert rows.tolist() == [0, 1, 2, 3, 4]
    assert nearest_documents([], documents[:2], embedder=embedder, per_text=9).tolist() == []
    assert nearest_documents(documents, [], embedder=embedder, per_text=9).tolist() == []


def test_of_long_documents_the_beginning_counts(embedder, documents):
    long = ["my new house " * 10_000, "bad debt " * 10_000]
    rows = nearest_documents([*documents[:5], *long], ["bad debt " * 40], embedder=embedder, per_text=1)
    assert rows.tolist() == [6]


@pytest.mark.parametrize("name", ["per_text", "chunk"])
def test_numbers_below_one_are_refused(embedder, name):
    with pytest.raises(InputError, match=f"{name}: is 0; give 1 or more"):
        nearest_documents(["a"], ["a"], embedder=embedder, **({"per_text": 1} | {name: 0}))
