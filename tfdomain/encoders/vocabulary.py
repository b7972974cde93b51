"""A tokenizer's files: vocab.txt, tokenizer.json, tokenizer_config.json, special_tokens_map.json.

Which file wins is what transformers 5 does for a BERT tokenizer, measured: the vocabulary is that of
tokenizer.json where there is one, but its normalizer is not read. Settings come from
tokenizer_config.json, with the class's defaults for what it leaves out. Only a folder whose
`tokenizer_class` names the generic fast class takes its settings from tokenizer.json.
"""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from tfdomain.encoders.special_tokens import SpecialToken, read_special_tokens
from tfdomain.errors import InputError
from tfdomain.files import read_json

__all__ = ["TokenizerSettings", "read_tokenizer_files", "read_vocabulary"]

GENERIC_CLASSES = ("PreTrainedTokenizerFast", "TokenizersBackend")
# What the reference drops at the end of a line: the characters with the property White_Space.
WHITE_SPACE = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenizerSettings:
    """All that decides which ids a text gets.

    Attributes:
        vocabulary: Every token in the order of its id.
        named: `pad_token`, `unk_token`, `cls_token`, `sep_token` and (may be missing) `mask_token`.
        specials: The tokens that are found whole in raw text where splitting them is switched off.
        lowercase: Lower the case of the text.
        strip_accents: Drop accents; None means as `lowercase`.
        handle_chinese_chars: Make every CJK ideograph a word of its own.
        clean_text: Drop control characters.
        max_input_chars_per_word: A word with more characters than this is unknown as a whole.
        model_max_length: The longest input that the checkpoint was made for, or None.
    """

    vocabulary: tuple[str, ...]
    named: dict[str, str]
    specials: tuple[SpecialToken, ...]
    lowercase: bool = True
    strip_accents: bool | None = None
    handle_chinese_chars: bool = True
    clean_text: bool = True
    max_input_chars_per_word: int = 100
    model_max_length: int | None = None

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the vocabulary and of every setting that an id depends on."""
        fields = dataclasses.asdict(self)
        del fields["model_max_length"]
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def read_tokenizer_files(folder: Path) -> TokenizerSettings:
    """Reads and checks a checkpoint folder's tokenizer files.

    Raises:
        InputError: A file is missing, contradicts another one, or asks for something that is not
            a BERT WordPiece tokenizer.
    """
    config_path, json_path, text_path = (
        folder / name for name in ("tokenizer_config.json", "tokenizer.json", "vocab.txt")
    )
    if not folder.is_dir():
        raise InputError("no such folder", where=str(folder), mend="give a folder with a tokenizer's files")
    if not json_path.is_file() and not text_path.is_file():
        raise InputError(
            "has neither vocab.txt nor tokenizer.json", where=str(folder), mend="add the checkpoint's vocab.txt"
        )
    config = read_json(config_path) if config_path.is_file() else {}
    if not isinstance(config, dict):
        raise InputError("is not a JSON object", where=str(config_path), mend="restore the file")
    backend = _read_backend(json_path) if json_path.is_file() else None
    lines = read_vocabulary(text_path) if text_path.is_file() else None
    source = json_path if backend else text_path
    vocabulary = _list_tokens(backend, json_path) if backend else lines
    assert vocabulary is not None
    if backend and lines is not None:
        _compare(vocabulary, len(backend["model"]["vocab"]), lines, text_path, json_path)
    named, specials = read_special_tokens(folder, config, backend, vocabulary, source)
    ends = max((special.id + 1 for special in specials), default=0)
    tokens = [*vocabulary, *[""] * (ends - len(vocabulary))]
    for special in specials:
        tokens[special.id] = special.content
    _check_tokens(tokens, source)
    return TokenizerSettings(
        vocabulary=tuple(tokens),
        named=named,
        specials=specials,
        model_max_length=_read_maximum(config),
        **_read_settings(config, backend, config_path, json_path),
    )


def read_vocabulary(path: Path) -> list[str]:
    """Reads vocab.txt: one token a line, where only a line feed (after a carriage return) ends a line."""
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise InputError(
            f"is not UTF-8 (line {line}, byte 0x{error.object[error.start]:02x})",
            where=str(path),
            mend="restore the file",
        ) from None
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def _read_backend(path: Path) -> dict[str, Any]:
    backend = read_json(path)
    mend = "give a BERT checkpoint, or remove the file where there is a vocab.txt"
    model = backend.get("model") if isinstance(backend, dict) else None
    if not isinstance(model, dict) or not isinstance(model.get("vocab"), dict):
        kind = model.get("type") if isinstance(model, dict) else None
        raise InputError(f"its model is {kind}, not a WordPiece with a vocabulary", where=str(path), mend=mend)
    if model.get("type", "WordPiece") != "WordPiece" or model.get("continuing_subword_prefix", "##") != "##":
        kind = f"{model.get('type')} with prefix {model.get('continuing_subword_prefix')!r}"
        raise InputError(f"its model is {kind}, not WordPiece with prefix '##'", where=str(path), mend=mend)
    for part, wanted in (("normalizer", "BertNormalizer"), ("pre_tokenizer", "BertPreTokenizer")):
        kind = (backend.get(part) or {}).get("type")
        if kind != wanted:
            raise InputError(f"its {part} is {kind}, not {wanted}", where=str(path), mend=mend)
    return backend


def _list_tokens(backend: dict[str, Any], path: Path) -> list[str]:
    ids = backend["model"]["vocab"]
    tokens = sorted(ids, key=ids.__getitem__)
    for index, token in enumerate(tokens):
        if ids[token] != index:
            raise InputError(
                f"id {index} has no token or two (the next is {token!r} with id {ids[token]})",
                where=f"{path}, model.vocab",
                mend="number the tokens from 0 without gaps",
            )
    return tokens


def _compare(vocabulary: list[str], size: int, lines: list[str], text_path: Path, json_path: Path) -> None:
    mend = f"remove {text_path.name} or restore it from the checkpoint"
    for index, (token, line) in enumerate(zip(vocabulary, lines, strict=False)):
        if token.rstrip(WHITE_SPACE) != line.rstrip(WHITE_SPACE):
            raise InputError(
                f"line {index + 1} is {line!r}, but {json_path.name} has {token!r} for id {index}",
                where=str(text_path),
                mend=mend,
            )
    if len(lines) < size:
        raise InputError(
            f"has {len(lines)} lines, but {json_path.name} has {size} tokens", where=str(text_path), mend=mend
        )


def _check_tokens(tokens: list[str], path: Path) -> None:
    places: dict[str, int] = {}
    for index, token in enumerate(tokens):
        place = f"line {index + 1}" if path.suffix == ".txt" else f"id {index}"
        if "\n" in token:
            raise InputError(f"{place} holds a line break", where=str(path), mend="remove that token")
        # The reference drops white space at a line's end; what is empty then can never be met in a text.
        trimmed = token.rstrip(WHITE_SPACE)
        if trimmed and places.setdefault(trimmed, index) != index:
            raise InputError(
                f"{place} repeats the token {trimmed!r} of id {places[trimmed]}",
                where=str(path),
                mend="give every token one line of its own, e.g. rename the second to [unused999]",
            )


def _read_maximum(config: dict[str, Any]) -> int | None:
    # Where no limit is known, transformers writes a number beyond any length.
    value = config.get("model_max_length")
    return int(value) if isinstance(value, int | float) and 0 < value < 1_000_000_000 else None


def _read_settings(
    config: dict[str, Any], backend: dict[str, Any] | None, config_path: Path, json_path: Path
) -> dict[str, Any]:
    if backend and config.get("tokenizer_class") in GENERIC_CLASSES:
        _check_template(backend, json_path)
        values, path = backend["normalizer"], json_path
        keys = {name: name for name in ("lowercase", "strip_accents", "handle_chinese_chars", "clean_text")}
        maximum = backend["model"].get("max_input_chars_per_word", 100)
    else:
        values, path = config, config_path
        keys = {
            "lowercase": "do_lower_case",
            "strip_accents": "strip_accents",
            "handle_chinese_chars": "tokenize_chinese_chars",
        }
        maximum = 100
    settings: dict[str, Any] = {"max_input_chars_per_word": maximum}
    for name, key in keys.items():
        value = values.get(key, None if name == "strip_accents" else True)
        if not isinstance(value, bool) and not (value is None and name == "strip_accents"):
            raise InputError(f"{key} is {value!r}", where=str(path), mend="set it to true or false")
        settings[name] = value
    return settings


def _check_template(backend: dict[str, Any], path: Path) -> None:
    processor = backend.get("post_processor") or {}
    single = [next(iter(piece)) for piece in processor.get("single", [])]
    if processor.get("type") != "BertProcessing" and single != ["SpecialToken", "Sequence", "SpecialToken"]:
        raise InputError(
            f"its post_processor {processor.get('type')} does not give [CLS] text [SEP]",
            where=str(path),
            mend="give a BERT checkpoint",
        )
