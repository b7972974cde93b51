"""The estimate of tokens against WordPiece itself."""

import pyarrow as pa
import pytest

from tfdomain.data.token_estimates import estimate_tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("My card, please", 4),
        ("unbelievably", 2),
        ("糖尿病能吃什么？", 8),
        ("GPT-4在中国", 6),
        ("don't 😀", 4),
        ("  \n\t　", 0),
    ],
)
def test_what_is_counted(text, expected):
    assert estimate_tokens(pa.array([text, None])).tolist() == [expected, 0]


def test_chunks_and_large_strings():
    chunked = pa.chunked_array([["a b"], ["c", "d e f"]], pa.large_string())
    assert estimate_tokens(chunked).tolist() == [2, 1, 3]


@pytest.mark.real
def test_near_the_tokenizer_on_real_texts(minilm, data_dir):
    """Within a tenth of BERT's own count, on English questions and on long, unlike texts."""
    import csv
    import gzip

    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(minilm / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    for name, column in (("banking77/train.csv.gz", "text"), ("lendingclub/lendingclub_2007_2011.csv.gz", "desc")):
        with gzip.open(data_dir / name, "rt", encoding="utf-8") as file:
            texts = [row[column] for _, row in zip(range(2000), csv.DictReader(file), strict=False)]
        counted = sum(len(one.ids) for one in tokenizer.encode_batch(texts, add_special_tokens=False))
        assert estimate_tokens(pa.array(texts)).sum() == pytest.approx(counted, rel=0.1)
