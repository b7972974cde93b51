"""A pretraining's figures as a person reads them."""

from collections.abc import Iterator, Mapping
from typing import Any

from tfdomain.training.throughput import speed_text

__all__ = ["report_lines"]

FIGURES = {
    "loss": "loss",
    "perplexity": "perplexity",
    "masked_accuracy": "masked accuracy",
    "detection_accuracy": "detection accuracy",
    "pseudo_perplexity": "pseudo-perplexity",
}
FERTILITY = {"pieces_per_word": "pieces a word", "share_whole": "words in one piece", "unknown_share": "unknown words"}


def report_lines(metrics: Mapping[str, Any]) -> list[str]:
    """The lines of the report, from what `metrics.json` holds."""
    corpus, before, after = metrics["corpus"], metrics["before"], metrics["after"]
    lines = [f"{corpus['training']:,} documents learned from, {corpus['held_out']:,} held out"]
    if "guard" in corpus:
        lines.append(f"{corpus['guard']['leaking']:,} kept out, since they hold a guarded text or are close to one")
    if "replay" in corpus:
        lines.append(f"{corpus['replay']:,} general documents mixed in")
    lines += ["", *_table(FIGURES, before, after)]
    fertility = metrics["vocabulary"]["fertility"]
    lines += ["", *_table(FERTILITY, fertility.get("before", {}), fertility.get("after", {}))]
    lines += _terms(metrics["vocabulary"])
    if "neighbours" in after:
        lines += ["", *_neighbours(before["neighbours"], after["neighbours"])]
    return [*lines, "", speed_text(metrics["training"])]


def _table(names: Mapping[str, str], before: Mapping[str, float], after: Mapping[str, float]) -> Iterator[str]:
    yield f"{'held-out text':24} {'before':>12} {'after':>12}"
    for name, title in names.items():
        if name in before or name in after:
            cells = [f"{values[name]:12.4f}" if name in values else f"{'':12}" for values in (before, after)]
            yield f"{title:24} {cells[0]} {cells[1]}".rstrip()


def _terms(vocabulary: Mapping[str, Any]) -> list[str]:
    if not vocabulary.get("terms"):
        return []
    shown = ", ".join(f"{term['term']} ({term['count']:,})" for term in vocabulary["terms"][:10])
    return ["", f"{vocabulary['num_terms']:,} terms added: {shown}, ..."]


def _neighbours(before: Mapping[str, list[str]], after: Mapping[str, list[str]]) -> Iterator[str]:
    yield "nearest words, before and after"
    for word in after:
        yield f"  {word}: {', '.join(before[word])}"
        yield f"  {'':{len(word)}}  {', '.join(after[word])}"
