"""Names in pictures: in which fonts they are drawn, and what stands for those that no font can draw."""

from functools import lru_cache

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

__all__ = ["drawable_name", "font_families"]

MAX_NAME_LENGTH = 32

# matplotlib ships the first; the others are what systems have for Chinese, Japanese and Korean.
_FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Arial Unicode MS",
)


def font_families() -> list[str]:
    """The installed fonts that names are looked up in, the first one first."""
    return list(_installed())


def drawable_name(name: str, index: int) -> str:
    """The name, cut where it is long; its number, `#3`, where a character of it is in no installed font."""
    if not name.strip() or not all(ord(character) in _drawable_codes() for character in name):
        return f"#{index}"
    return name if len(name) <= MAX_NAME_LENGTH else name[: MAX_NAME_LENGTH - 1] + "…"


@lru_cache(maxsize=1)
def _installed() -> tuple[str, ...]:
    # Naming a font that is not installed makes matplotlib warn at every label.
    installed = set(font_manager.fontManager.get_font_names())
    return tuple(name for name in _FONTS if name in installed)


@lru_cache(maxsize=1)
def _drawable_codes() -> frozenset[int]:
    paths = (font_manager.findfont(name, fallback_to_default=False) for name in _installed())
    return frozenset(code for path in paths for code in FT2Font(path).get_charmap())
