"""The stored Unicode table against the installed reference, for every code point there is."""

import importlib.util
import unicodedata
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import models, normalizers, pre_tokenizers

from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.encoders.vocabulary import read_tokenizer_files

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.mark.thorough
def test_the_stored_table_is_what_the_reference_says_now():
    path = Path(__file__).parents[2] / "experiments" / "make_unicode_table.py"
    spec = importlib.util.spec_from_file_location("make_unicode_table", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    expected = script.make_tables(script.ALL_CODE_POINTS)
    with resources.files("tfdomain.encoders").joinpath("unicode_table.npz").open("rb") as file:
        stored = dict(np.load(file, allow_pickle=False))
    assert stored.keys() == expected.keys()
    for name, table in expected.items():
        np.testing.assert_array_equal(stored[name], table, err_msg=name)


@pytest.mark.thorough
@pytest.mark.parametrize(("lowercase", "strip_accents"), [(True, None), (False, None), (True, False), (False, True)])
def test_every_code_point_gives_the_ids_of_the_reference(tmp_path, lowercase, strip_accents):
    # Every assigned character is a token, at the start of a word and inside: none hides behind [UNK].
    characters = [
        chr(code)
        for code in range(0x21, 0x32000)
        if unicodedata.category(chr(code)) not in ("Cs", "Co", "Cn", "Cc", "Zs", "Zl", "Zp")
        and not 0x3400 <= code <= 0x4DBF
        and not 0x4F00 <= code <= 0x9FFF
        and not 0x17000 <= code <= 0x18CFF
        and not 0x20100 <= code <= 0x2B700
        and not 0x2BA00 <= code <= 0x2EC00
        and not code >= 0x30100
    ]
    vocabulary = [*SPECIALS, *characters, *(f"##{character}" for character in characters)]
    (tmp_path / "vocab.txt").write_bytes("".join(f"{token}\n" for token in vocabulary).encode())
    (tmp_path / "tokenizer_config.json").write_text(
        f'{{"do_lower_case": {str(lowercase).lower()}, "strip_accents": {str(strip_accents).lower()}}}'.replace(
            "none", "null"
        )
    )
    assert read_tokenizer_files(tmp_path).lowercase is lowercase
    ours = Tokenizer.from_pretrained(tmp_path)
    ids = {token: index for index, token in enumerate(vocabulary)}
    reference = Backend(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    reference.normalizer = normalizers.BertNormalizer(True, True, strip_accents, lowercase)
    reference.pre_tokenizer = pre_tokenizers.BertPreTokenizer()

    codes = [code for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
    texts = [" ".join(f"x{chr(code)}y" for code in codes[start : start + 256]) for start in range(0, len(codes), 256)]
    rows = ours(texts, max_length=None)
    token_ids, lengths = rows["token_ids"].numpy(), rows["padding_mask"].numpy().sum(1)
    wrong = [
        index
        for index, encoding in enumerate(reference.encode_batch(texts))
        if token_ids[index, 1 : lengths[index] - 1].tolist() != encoding.ids
    ]
    assert [f"U+{codes[256 * index]:04X}..." for index in wrong] == []
