"""A tokenizer's files: which one counts, what is refused, and what is written back."""

import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer, BertTokenizerFast

from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.encoders.vocabulary import read_vocabulary
from tfdomain.errors import InputError

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcABCé中xyz", *(f"##{c}" for c in "abcABCé中xyz"), "e", "##e"]
TEXTS = ["aB cé 中x", "e\u0301A", "ab" * 4, "a\x01b", "[MASK] a[SEP]", "<extra> b <extra>", ""]


def write(folder: Path, *, vocabulary=WORDS, config=None, backend=None, **files) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text('{"model_type": "bert"}')
    if vocabulary is not None:
        (folder / "vocab.txt").write_bytes("".join(f"{token}\n" for token in vocabulary).encode())
    files |= {"tokenizer_config": config, "tokenizer": backend}
    for name, value in files.items():
        if value is not None:
            (folder / f"{name}.json").write_text(json.dumps(value))
    return folder


def backend(vocabulary=WORDS, added=(), maximum=100, **normalizer) -> dict:
    settings = {"clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
    pieces = [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    pieces.append({"SpecialToken": {"id": "[SEP]", "type_id": 0}})
    pair = [*pieces, {"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "[SEP]", "type_id": 1}}]
    specials = {t: {"id": t, "ids": [vocabulary.index(t)], "tokens": [t]} for t in ("[CLS]", "[SEP]")}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": list(added),
        "normalizer": {"type": "BertNormalizer"} | settings | normalizer,
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing", "single": pieces, "pair": pair, "special_tokens": specials},
        "decoder": None,
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": maximum,
            "vocab": {token: index for index, token in enumerate(vocabulary)},
        },
    }


def added(content: str, index: int, **flags) -> dict:
    settings = {"special": True, "normalized": False, "lstrip": False, "rstrip": False, "single_word": False}
    return {"id": index, "content": content} | settings | flags


def assert_equal(tokenizer: Tokenizer, reference) -> None:
    for split in (True, False):
        reference.split_special_tokens = split
        expected = reference(TEXTS, return_offsets_mapping=True)
        got = tokenizer(TEXTS, max_length=None, return_offsets=True, split_special_tokens=split)
        for row, ids in enumerate(expected["input_ids"]):
            assert got["token_ids"].numpy()[row, : len(ids)].tolist() == ids
            assert got["padding_mask"].numpy()[row].sum() == len(ids)
            offsets = got["offsets"].numpy()[row, : len(ids)].tolist()
            assert [tuple(pair) for pair in offsets] == expected["offset_mapping"][row]


EXTRA = len(WORDS)
FOLDERS = {
    "vocabulary alone": {},
    "cased": {"config": {"do_lower_case": False}},
    "accents kept": {"config": {"do_lower_case": True, "strip_accents": False}},
    "ideographs kept": {"config": {"do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False}},
    "config against tokenizer.json": {"config": {"do_lower_case": True}, "backend": backend(lowercase=False)},
    "tokenizer.json alone": {"vocabulary": None, "backend": backend(lowercase=False, maximum=3)},
    "bert class": {"config": {"tokenizer_class": "BertTokenizer"}, "backend": backend(lowercase=False)},
    "generic class": {
        "config": {"tokenizer_class": "PreTrainedTokenizerFast", "cls_token": "[CLS]", "sep_token": "[SEP]"}
        | {"unk_token": "[UNK]", "pad_token": "[PAD]", "mask_token": "[MASK]"},
        "backend": backend(
            added=[added(token, index) for index, token in enumerate(WORDS[:5])],
            maximum=7,
            lowercase=False,
            clean_text=False,
        ),
    },
    "added tokens in tokenizer.json": {
        "backend": backend(added=[added("[MASK]", 4, lstrip=True), added("<extra>", EXTRA, rstrip=True)])
    },
    "added tokens in the config": {
        "config": {
            "added_tokens_decoder": {
                "4": {k: v for k, v in added("[MASK]", 4, rstrip=True).items() if k != "id"},
                str(EXTRA): {k: v for k, v in added("<extra>", EXTRA, lstrip=True, rstrip=True).items() if k != "id"},
            }
        },
    },
    "special_tokens_map.json": {
        "vocabulary": [*WORDS[:4], "<mask>", *WORDS[5:]],
        "config": {},
        "special_tokens_map": {"mask_token": "<mask>"},
    },
}


@pytest.mark.parametrize("name", FOLDERS)
def test_the_same_files_count_as_for_the_reference(tmp_path, name):
    folder = write(tmp_path, **FOLDERS[name])
    reference = (AutoTokenizer if name == "generic class" else BertTokenizerFast).from_pretrained(folder)
    assert_equal(Tokenizer.from_pretrained(folder), reference)


@pytest.mark.thorough
@pytest.mark.parametrize("name", FOLDERS)
def test_a_saved_tokenizer_is_the_same_for_us_and_the_reference(tmp_path, name):
    tokenizer = Tokenizer.from_pretrained(write(tmp_path / "first", **FOLDERS[name]))
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "config.json").write_text('{"model_type": "bert"}')
    tokenizer.save(tmp_path / "second")
    again = Tokenizer.from_pretrained(tmp_path / "second")
    assert again.settings == tokenizer.settings
    assert again.fingerprint == tokenizer.fingerprint
    assert_equal(again, AutoTokenizer.from_pretrained(tmp_path / "second"))


def test_the_fingerprint_tells_settings_apart(tmp_path):
    fingerprints = {
        Tokenizer.from_pretrained(write(tmp_path / str(index), config=config, vocabulary=vocabulary)).fingerprint
        for index, (config, vocabulary) in enumerate(
            [({}, WORDS), ({"do_lower_case": False}, WORDS), ({"strip_accents": False}, WORDS), ({}, [*WORDS, "n"])]
        )
    }
    assert len(fingerprints) == 4


def test_names_and_ids(tmp_path):
    tokenizer = Tokenizer.from_pretrained(write(tmp_path))
    assert tokenizer.vocabulary == WORDS
    assert tokenizer.vocabulary_size == len(WORDS)
    ids = (tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id)
    assert ids == (0, 1, 2, 3, 4)


def test_only_a_line_feed_ends_a_line(tmp_path):
    lines = ["a", "\u2028", "\x85", "b\x0cc", "\u3000", "", "d"]
    (tmp_path / "vocab.txt").write_bytes(("\n".join(lines) + "\r\n").encode())
    assert read_vocabulary(tmp_path / "vocab.txt") == lines


def test_lines_of_white_space_keep_their_ids(tmp_path):
    vocabulary = [*WORDS[:-2], "\u2028", "", "\u3000", "e", "##e"]
    reference = BertTokenizerFast.from_pretrained(write(tmp_path, vocabulary=vocabulary))
    assert_equal(Tokenizer.from_pretrained(tmp_path), reference)


def test_a_vocabulary_without_mask_has_no_mask_id(tmp_path):
    vocabulary = [token for token in WORDS if token != "[MASK]"]
    tokenizer = Tokenizer.from_pretrained(write(tmp_path, vocabulary=vocabulary))
    with pytest.raises(InputError, match=r"has no \[MASK\] token"):
        _ = tokenizer.mask_id


SPLIT_WORD = {"type": "Sequence", "normalizers": []}
REFUSED = {
    "no files": ({"vocabulary": None}, "has neither vocab.txt nor tokenizer.json"),
    "no [SEP]": ({"vocabulary": [t for t in WORDS if t != "[SEP]"]}, "vocab.txt: the special token '[SEP]'"),
    "no [UNK]": ({"vocabulary": [t for t in WORDS if t != "[UNK]"]}, "vocab.txt: the special token '[UNK]'"),
    "no [CLS]": ({"vocabulary": [t for t in WORDS if t != "[CLS]"]}, "vocab.txt: the special token '[CLS]'"),
    "no [PAD]": ({"vocabulary": [t for t in WORDS if t != "[PAD]"]}, "vocab.txt: the special token '[PAD]'"),
    "twice": ({"vocabulary": [*WORDS, "a"]}, "repeats the token 'a' of id 5"),
    "twice with a space": ({"vocabulary": [*WORDS, "a\u2028"]}, "repeats the token 'a' of id 5"),
    "other order": (
        {"vocabulary": [*WORDS[:5], "b", "a", *WORDS[7:]], "backend": backend()},
        "line 6 is 'b', but tokenizer.json has 'a' for id 5",
    ),
    "too short": ({"vocabulary": WORDS[:9], "backend": backend()}, "has 9 lines, but tokenizer.json has"),
    "other model": ({"backend": backend() | {"model": {"type": "BPE", "vocab": {}, "merges": []}}}, "model is BPE"),
    "no model": ({"backend": {"model": None}}, "its model is None"),
    "other normalizer": ({"backend": backend() | {"normalizer": SPLIT_WORD}}, "its normalizer is Sequence"),
    "other splitting": (
        {"backend": backend() | {"pre_tokenizer": {"type": "Whitespace"}}},
        "its pre_tokenizer is Whitespace",
    ),
    "gap in ids": (
        {"vocabulary": None, "backend": backend() | {"model": {"vocab": {"[PAD]": 0, "a": 2}}}},
        "id 1 has no token or two",
    ),
    "ordinary added token": ({"backend": backend(added=[added("new", EXTRA, special=False)])}, "added token 'new'"),
    "single word": ({"backend": backend(added=[added("<x>", EXTRA, single_word=True)])}, "single_word"),
    "wrong id": ({"backend": backend(added=[added("[MASK]", 7)])}, "has id 7, which is 'c'"),
    "gap in added ids": ({"backend": backend(added=[added("<x>", EXTRA + 2)])}, "number them on"),
    "overlap": (
        {"backend": backend(added=[added("<x>", EXTRA), added("x>y", EXTRA + 1)])},
        "'<x>' and 'x>y' can overlap",
    ),
    "setting of a wrong type": ({"config": {"do_lower_case": "yes"}}, "do_lower_case is 'yes'"),
    "config is a list": ({"config": []}, "is not a JSON object"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_do_not_fit_are_refused_in_one_line(tmp_path, name):
    files, message = REFUSED[name]
    with pytest.raises(InputError) as error:
        Tokenizer.from_pretrained(write(tmp_path, **files))
    assert message in str(error.value)
    assert str(tmp_path) in str(error.value)
    assert "; " in str(error.value) and "\n" not in str(error.value)


def test_a_missing_folder_and_broken_files_are_named(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        Tokenizer.from_pretrained(tmp_path / "nowhere")
    write(tmp_path, vocabulary=None)
    (tmp_path / "vocab.txt").write_bytes(b"[PAD]\n[UNK]\nca\xff\n")
    with pytest.raises(InputError, match=r"vocab.txt: is not UTF-8 \(line 3, byte 0xff\)"):
        Tokenizer.from_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"model": ')
    with pytest.raises(InputError, match=r"tokenizer.json: is not JSON"):
        Tokenizer.from_pretrained(tmp_path)
