"""Which checkpoint to begin with, by the language of the texts."""

from pathlib import Path

from tfdomain.drafting.profile import Profile
from tfdomain.encoders.sources import resolve_checkpoint
from tfdomain.files import read_json

__all__ = ["SMALL_ENCODER", "choose_encoder", "language_name", "num_positions"]

SMALL_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
"""English, 22 million weights: it fine-tunes on a laptop, and wants larger steps than a BERT of the usual size."""
_ENCODERS = {"en": SMALL_ENCODER, "zh": "google-bert/bert-base-chinese"}
_MULTILINGUAL = "google-bert/bert-base-multilingual-cased"

_NAMES = {
    "ar": "Arabic", "de": "German", "en": "English", "es": "Spanish", "fr": "French", "hi": "Hindi", "it": "Italian",
    "ja": "Japanese", "ko": "Korean", "nl": "Dutch", "pl": "Polish", "pt": "Portuguese", "ru": "Russian",
    "tr": "Turkish", "zh": "Chinese",
}  # fmt: skip
_POSITIONS = 512


def choose_encoder(profile: Profile) -> tuple[str, str]:
    """A checkpoint on the Hub for these texts, and why that one."""
    if not profile.languages:
        return (
            SMALL_ENCODER,
            "the texts are too short to tell their language: an English encoder unless you know better",
        )
    if profile.language is None:
        shown = ", ".join(f"{language_name(name)} {share:.0%}" for name, share in list(profile.languages.items())[:3])
        return _MULTILINGUAL, f"several languages ({shown}): an encoder of a hundred"
    name, share = language_name(profile.language), profile.languages[profile.language]
    encoder = _ENCODERS.get(profile.language, _MULTILINGUAL)
    kinds = {SMALL_ENCODER: "a small English encoder", _MULTILINGUAL: "an encoder of a hundred languages"}
    what = kinds.get(encoder, f"a {name} BERT")
    return encoder, f"{name} ({share:.0%} of the texts whose language can be told): {what}; it comes from the Hub"


def num_positions(encoder: str) -> int:
    """The longest input of an encoder: as its folder says, or BERT's 512 where it is not on this machine.

    Raises:
        InputError: It is a path, and nothing is there.
    """
    is_local = encoder.startswith((".", "/", "~", "package:")) or Path(encoder).is_dir()
    if not is_local:
        return _POSITIONS
    positions = read_json(resolve_checkpoint(encoder) / "config.json").get("max_position_embeddings")
    return positions if isinstance(positions, int) else _POSITIONS


def language_name(code: str) -> str:
    """The English name of a frequent language, else its code of ISO 639-1."""
    return _NAMES.get(code, code)
