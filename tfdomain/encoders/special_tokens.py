"""Which tokens of a checkpoint are special, and how they are found in raw text."""

from pathlib import Path
from typing import Any, NamedTuple

from tfdomain.errors import InputError
from tfdomain.files import read_json

__all__ = ["NAMES", "SpecialToken", "read_special_tokens"]

NAMES = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
DEFAULTS = {name: f"[{name.removesuffix('_token').upper()}]" for name in NAMES}
MOST_SPECIALS = 256


class SpecialToken(NamedTuple):
    """A token that is cut out of the raw text whole, where special tokens are not split.

    Attributes:
        content: The characters to find.
        id: The id it gets.
        lstrip: Whether the white space before it belongs to it.
        rstrip: Whether the white space after it belongs to it.
    """

    content: str
    id: int
    lstrip: bool = False
    rstrip: bool = False


def read_special_tokens(
    folder: Path, config: dict[str, Any], backend: dict[str, Any] | None, vocabulary: list[str], source: Path
) -> tuple[dict[str, str], tuple[SpecialToken, ...]]:
    """Collects the special tokens from wherever a checkpoint may name them.

    Args:
        folder: Where special_tokens_map.json and added_tokens.json may stand.
        config: The content of tokenizer_config.json.
        backend: The content of tokenizer.json, or None.
        vocabulary: The tokens of the vocabulary by id; added tokens may go beyond them.
        source: The file that the vocabulary came from, for messages.

    Returns:
        The named tokens (`pad_token` and so on), and all special tokens.
    """
    ids = {token: index for index, token in enumerate(vocabulary)}
    named: dict[str, Any] = {name: config[name] for name in NAMES if config.get(name)}
    extra = [*(config.get("extra_special_tokens") or config.get("additional_special_tokens") or [])]
    if "added_tokens_decoder" in config:
        path = folder / "tokenizer_config.json"
        added = [{**token, "id": int(index)} for index, token in config["added_tokens_decoder"].items()]
    else:
        path = folder / "tokenizer.json"
        added = list((backend or {}).get("added_tokens", []))
        _read_older_files(folder, named, extra, added)
    declared: dict[str, dict[str, Any]] = {}
    for token in added:
        _check_added(token, path)
        declared[token["content"]] = token
    names = {name: _content(named.get(name, DEFAULTS[name])) for name in NAMES}
    wanted = dict.fromkeys([*declared, *names.values(), *map(_content, extra)])
    specials = []
    for content in wanted:
        token = declared.get(content, {})
        index = token.get("id", ids.get(content))
        if index is None and content == names["mask_token"]:
            del names["mask_token"]
            continue
        if index is None or (index < len(vocabulary) and vocabulary[index] != content):
            raise InputError(
                f"the special token {content!r} is not in the vocabulary"
                if index is None
                else f"the special token {content!r} has id {index}, which is {vocabulary[index]!r} in the vocabulary",
                where=str(source),
                mend="add it to the vocabulary, or name the right token in tokenizer_config.json",
            )
        details = token or next((value for value in [*named.values(), *extra] if _content(value) == content), {})
        flags = details if isinstance(details, dict) else {}
        if flags.get("single_word"):
            raise InputError(
                f"the special token {content!r} has single_word set", where=str(path), mend="set it to false"
            )
        specials.append(SpecialToken(content, index, bool(flags.get("lstrip")), bool(flags.get("rstrip"))))
    _check_specials(specials, vocabulary, source)
    return names, tuple(sorted(specials, key=lambda special: special.id))


def _content(token: Any) -> str:
    return token["content"] if isinstance(token, dict) else str(token)


def _read_older_files(folder: Path, named: dict, extra: list, added: list) -> None:
    """The files of transformers before 5, which count where tokenizer_config.json lists no added tokens."""
    if (folder / "special_tokens_map.json").is_file():
        for name, value in read_json(folder / "special_tokens_map.json").items():
            if name in NAMES:
                named[name] = value
            elif name in ("additional_special_tokens", "extra_special_tokens"):
                extra.extend(value)
    if (folder / "added_tokens.json").is_file():
        known = {token["content"] for token in added} | {_content(token) for token in [*named.values(), *extra]}
        for content, index in read_json(folder / "added_tokens.json").items():
            if content in known:
                added.append({"content": content, "id": index, "special": True, "normalized": False})
            else:
                added.append({"content": content, "id": index, "special": False, "normalized": True})


def _check_added(token: dict[str, Any], path: Path) -> None:
    if not token.get("special") or token.get("normalized"):
        raise InputError(
            f"the added token {token['content']!r} is an ordinary word or looked for in normalized text",
            where=str(path),
            mend="put it into the vocabulary as a word, or mark it special and not normalized",
        )


def _check_specials(specials: list[SpecialToken], vocabulary: list[str], source: Path) -> None:
    if len(specials) > MOST_SPECIALS:
        raise InputError(f"has {len(specials)} special tokens", where=str(source), mend=f"keep at most {MOST_SPECIALS}")
    beyond = sorted(special.id for special in specials if special.id >= len(vocabulary))
    if beyond != list(range(len(vocabulary), len(vocabulary) + len(beyond))):
        raise InputError(
            f"added tokens have the ids {beyond} after a vocabulary of {len(vocabulary)}",
            where=str(source),
            mend="number them on from the vocabulary's end without gaps",
        )
    for one in specials:
        for other in specials:
            if one is not other and _may_overlap(one.content, other.content):
                raise InputError(
                    f"the special tokens {one.content!r} and {other.content!r} can overlap in a text",
                    where=str(source),
                    mend="rename one of them",
                )
        if _may_overlap(one.content, one.content):
            raise InputError(
                f"the special token {one.content!r} can overlap itself", where=str(source), mend="rename it"
            )


def _may_overlap(left: str, right: str) -> bool:
    """Whether `right` can start inside `left`, after its first character."""
    return any(right.startswith(left[start:]) or left.startswith(right, start) for start in range(1, len(left)))
