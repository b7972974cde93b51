"""Target lengths of a truncated pair against the `tokenizers` library, for every small case."""

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from tfdomain.encoders.truncation import truncate_pair_lengths

MOST = 14


@pytest.fixture(scope="module")
def reference() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


@pytest.mark.parametrize("budget", range(0, 2 * MOST + 2))
def test_every_pair_of_lengths(reference, budget):
    first, second = (grid.reshape(-1) for grid in np.meshgrid(range(MOST), range(MOST), indexing="ij"))
    reference.enable_truncation(budget, strategy="longest_first")
    pairs = [("a " * one, "b " * other) for one, other in zip(first, second, strict=True)]
    expected = [encoding.ids for encoding in reference.encode_batch(pairs)]
    kept = truncate_pair_lengths(first.astype("int32"), second.astype("int32"), budget)
    np.testing.assert_array_equal(kept[0], [ids.count(0) for ids in expected])
    np.testing.assert_array_equal(kept[1], [ids.count(1) for ids in expected])
