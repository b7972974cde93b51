import pytest
import tensorflow as tf

from tfdomain.encoders.tokenizer import Tokenizer


class CountingTokenizer:
    """The real tokenizer of the tiny checkpoint, which also remembers how many rows it measured."""

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self.fingerprint = tokenizer.fingerprint
        self.vocabulary = tokenizer.vocabulary
        self.num_measured = 0

    def __call__(self, *arguments, **named):
        return self._tokenizer(*arguments, **named)

    def lengths(self, texts, *arguments, **named):
        self.num_measured += int(tf.size(texts))
        return self._tokenizer.lengths(texts, *arguments, **named)


@pytest.fixture(scope="session")
def tiny_tokenizer(tiny_checkpoint) -> Tokenizer:
    return Tokenizer.from_pretrained(tiny_checkpoint)


@pytest.fixture
def tokenizer(tiny_tokenizer) -> CountingTokenizer:
    return CountingTokenizer(tiny_tokenizer)
