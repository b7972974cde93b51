"""Pictures of texts: how long they are, and what each token of one looks at."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfdomain.evaluation.figures import new_figure, png_of
from tfdomain.fonts import drawable_name, font_families

__all__ = ["attention_png", "lengths_png"]


def lengths_png(lengths: Any, max_length: int) -> bytes:
    """Draws how many texts have how many tokens.

    Args:
        lengths: int `[n]`, the tokens of each text after it was cut.
        max_length: What a text is cut to.
    """
    lengths = np.asarray(lengths)
    figure = new_figure(6, 3.2)
    axes = figure.add_subplot()
    # Whole numbers share a bar evenly.
    step = max(1, -(-int(lengths.max()) // 40))
    axes.hist(lengths, bins=np.arange(0.5, lengths.max() + step + 0.5, step).tolist(), color="#3182bd")
    axes.axvline(max_length, linestyle="--", color="grey", linewidth=1)
    at_limit = np.mean(lengths >= max_length)
    middle = int(np.median(lengths))
    axes.set_title(f"{len(lengths):,} texts, half of them up to {middle} tokens, {at_limit:.1%} of the greatest length")
    axes.title.set_fontsize(9)
    axes.set(xlabel=f"tokens (a text is cut to {max_length})", ylabel="texts")
    return png_of(figure)


def attention_png(weights: Sequence[np.ndarray], tokens: Sequence[Sequence[str]]) -> bytes:
    """Draws what each token of some texts takes from each: a row for a token, darker for more.

    Args:
        weights: A matrix for each text, float `[length, length]`, whose rows sum to 1.
        tokens: The tokens of each, `[length]`.
    """
    columns = min(2, len(weights))
    rows = -(-len(weights) // columns)
    figure = new_figure(5.4 * columns, 5.4 * rows)
    for place, (matrix, names) in enumerate(zip(weights, tokens, strict=True)):
        axes = figure.add_subplot(rows, columns, place + 1)
        # The root: a token spreads most of its attention thinly.
        axes.imshow(np.sqrt(matrix), cmap="Blues", interpolation="nearest", aspect="auto")
        drawn = [drawable_name(name, index) for index, name in enumerate(names)]
        ticks = np.arange(len(drawn))
        axes.set_xticks(ticks, drawn, rotation=90)
        axes.set_yticks(ticks, drawn)
        for label in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
            label.set(fontsize=8 if len(drawn) <= 24 else 6, fontfamily=font_families(), parse_math=False)
        axes.set_ylabel("takes from")
    figure.tight_layout()
    return png_of(figure)
