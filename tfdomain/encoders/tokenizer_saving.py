"""Writes a tokenizer's files so that transformers, `tokenizers` and we load the same settings back."""

from pathlib import Path
from typing import Any

from tfdomain.encoders.vocabulary import TokenizerSettings
from tfdomain.files import whole_file, write_json

__all__ = ["write_tokenizer_files"]


def write_tokenizer_files(folder: Path, settings: TokenizerSettings) -> None:
    """Writes vocab.txt, tokenizer.json and tokenizer_config.json into `folder`.

    Raises:
        TfdomainError: The disk is full or the folder cannot be written.
    """
    with whole_file(folder / "vocab.txt") as file:
        file.writelines(f"{token}\n" for token in settings.vocabulary)
    added = [
        {
            "id": special.id,
            "content": special.content,
            "single_word": False,
            "lstrip": special.lstrip,
            "rstrip": special.rstrip,
            "normalized": False,
            "special": True,
        }
        for special in sorted(settings.specials, key=lambda special: special.id)
    ]
    write_json(folder / "tokenizer.json", _describe_backend(settings, added))
    write_json(folder / "tokenizer_config.json", _describe_settings(settings, added))


def _describe_backend(settings: TokenizerSettings, added: list[dict[str, Any]]) -> dict[str, Any]:
    """The content of tokenizer.json, which the `tokenizers` library reads on its own."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": settings.clean_text,
            "handle_chinese_chars": settings.handle_chinese_chars,
            "strip_accents": settings.strip_accents,
            "lowercase": settings.lowercase,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": _describe_template(settings),
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": settings.named["unk_token"],
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": settings.max_input_chars_per_word,
            "vocab": {token: index for index, token in enumerate(settings.vocabulary)},
        },
    }


def _describe_settings(settings: TokenizerSettings, added: list[dict[str, Any]]) -> dict[str, Any]:
    """The content of tokenizer_config.json, which transformers reads."""
    # BERT's own class in transformers knows neither of these two settings.
    as_bert = settings.clean_text and settings.max_input_chars_per_word == 100
    config: dict[str, Any] = {
        "tokenizer_class": "BertTokenizer" if as_bert else "PreTrainedTokenizerFast",
        "do_lower_case": settings.lowercase,
        "strip_accents": settings.strip_accents,
        "tokenize_chinese_chars": settings.handle_chinese_chars,
        **settings.named,
        "added_tokens_decoder": {
            str(token["id"]): {key: value for key, value in token.items() if key != "id"} for token in added
        },
    }
    extra = [token["content"] for token in added if token["content"] not in settings.named.values()]
    if extra:
        config["extra_special_tokens"] = extra
    if settings.model_max_length is not None:
        config["model_max_length"] = settings.model_max_length
    return config


def _describe_template(settings: TokenizerSettings) -> dict[str, Any]:
    cls_token, sep_token = settings.named["cls_token"], settings.named["sep_token"]

    def special(token: str, segment: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": token, "type_id": segment}}

    first = [special(cls_token, 0), {"Sequence": {"id": "A", "type_id": 0}}, special(sep_token, 0)]
    return {
        "type": "TemplateProcessing",
        "single": first,
        "pair": [*first, {"Sequence": {"id": "B", "type_id": 1}}, special(sep_token, 1)],
        "special_tokens": {
            token: {"id": token, "ids": [settings.vocabulary.index(token)], "tokens": [token]}
            for token in (cls_token, sep_token)
        },
    }
