"""How many tokens texts will have, before there is a tokenizer."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["estimate_tokens"]

# What has a WordPiece token of its own: an ideograph, a kana, a Hangul syllable; a mark of punctuation; and of a word
# each started run of so many letters, since a vocabulary cuts most longer words.
LETTERS_A_TOKEN = 7
_CJK = r"\x{3041}-\x{30ff}\x{3400}-\x{4dbf}\x{4e00}-\x{9fff}\x{ac00}-\x{d7a3}\x{20000}-\x{3ffff}"
_TOKEN = rf"[{_CJK}]|[^\s\pZ\pP\pS{_CJK}]{{1,{LETTERS_A_TOKEN}}}|[\pP\pS]"


def estimate_tokens(texts: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """About how many WordPiece tokens each text has, without the special ones.

    Args:
        texts: Strings `[n]`; a null has none.

    Returns:
        int64 `[n]`.

    Example:
        >>> estimate_tokens(pa.array(["My card, please", "糖尿病能吃什么？"])).tolist()
        [4, 8]
    """
    # Arrow counts 32 bits for strings and 64 for large ones.
    counts: Any = pc.count_substring_regex(texts, _TOKEN)
    return pc.fill_null(counts, 0).to_numpy().astype(np.int64)
