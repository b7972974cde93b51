"""How well a masked language model knows held-out text, and which words it takes for each other."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.evaluation.nearest import nearest
from tfdomain.models.embedder import TextEmbedder
from tfdomain.models.masked_lm import IGNORED, MaskedLM
from tfdomain.optimization.progress import with_bar
from tfdomain.pretraining.batches import PackedBatches
from tfdomain.pretraining.objectives import Learner
from tfdomain.pretraining.words import WordSplitter

__all__ = ["HeldOut", "frequent_words", "nearest_words", "pseudo_perplexity"]

ROWS_AT_A_TIME = 64
NUM_WORDS, NUM_NEIGHBOURS = 2000, 5


class HeldOut:
    """Measures a model on held-out rows, whose hidden tokens are always the same ones.

    Args:
        model: What is measured.
        source: The rows; not shuffled.
    """

    def __init__(self, model: Learner, source: PackedBatches):
        self._model, self.source = model, source
        self.metrics: dict[str, Any] = {}

    def __call__(self) -> dict[str, float]:
        """The mean `loss` of the tokens that are judged, and the share that is judged rightly under its model's name.

        For a masked language model these are the hidden tokens, and `perplexity` stands beside.
        """
        batches = with_bar(self.source.epoch(0), num_batches=self.source.num_batches, title="measuring")
        losses, right = (np.concatenate(parts) for parts in zip(*map(self._model.guess_batch, batches), strict=True))
        loss = float(losses.mean(dtype=np.float64))
        self.metrics = {"loss": loss, self._model.headline[0]: float(right.mean())}
        if isinstance(self._model, MaskedLM):
            self.metrics["perplexity"] = math.exp(min(loss, 700))
        return self.metrics


def pseudo_perplexity(model: MaskedLM, texts: Sequence[str]) -> float:
    """The perplexity of texts where each token is guessed from all others, hidden one by one.

    Args:
        model: Its `max_length` cuts the texts.
        texts: One or more with a token.

    Reference: Salazar et al. 2020, "Masked Language Model Scoring".
    """
    tokens = model.tokenizer(list(texts), max_length=model.max_length)
    ids, mask = tokens["token_ids"].numpy(), tokens["padding_mask"].numpy()
    rows, places = np.nonzero(mask)
    # [CLS] and [SEP] are no text.
    inner = (places > 0) & (places < mask.sum(axis=1)[rows] - 1)
    rows, places = rows[inner], places[inner]
    # Texts of one length together, so that short ones are not computed at the longest one's.
    order = np.argsort(mask.sum(axis=1)[rows], kind="stable")
    rows, places = rows[order], places[order]
    firsts, losses = range(0, len(rows), ROWS_AT_A_TIME), []
    for first in with_bar(firsts, num_batches=len(firsts), title="pseudo-perplexity"):
        own, place = rows[first : first + ROWS_AT_A_TIME], places[first : first + ROWS_AT_A_TIME]
        length = mask[own].sum(axis=1).max()
        hidden, labels = ids[own, :length].copy(), np.full((len(own), length), IGNORED, np.int32)
        each = np.arange(len(own))
        labels[each, place], hidden[each, place] = hidden[each, place], model.tokenizer.mask_id
        batch = {"token_ids": hidden, "padding_mask": mask[own, :length], "labels": labels}
        losses.append(model.guess_batch({name: tf.constant(array) for name, array in batch.items()})[0])
    return math.exp(min(float(np.concatenate(losses).mean(dtype=np.float64)), 700))


def frequent_words(texts: Iterable[str], tokenizer: Tokenizer, *, num_words: int = NUM_WORDS) -> list[str]:
    """The commonest words of texts that are made of letters, the commonest first."""
    counts = WordSplitter(tokenizer.settings).count(texts)
    known = {word: count for word, count in counts.items() if word.isalpha()}
    return sorted(known, key=lambda word: (-known[word], word))[:num_words]


def nearest_words(
    encoder: Encoder, tokenizer: Tokenizer, words: Sequence[str], among: Sequence[str]
) -> dict[str, list[str]]:
    """For each word those whose vectors are nearest by cosine; a word's vector is that of a text of it alone."""
    candidates = list(dict.fromkeys(among))
    embedder = TextEmbedder(encoder, tokenizer)
    # One more than is told: the nearest of a word among them is the word.
    num_nearest = min(NUM_NEIGHBOURS + 1, len(candidates))
    places, _ = nearest(embedder.predict(candidates), embedder.predict(list(words)), num_nearest)
    found = ([candidates[place] for place in row] for row in places)
    return {
        word: [other for other in others if other != word.lower()][:NUM_NEIGHBOURS]
        for word, others in zip(words, found, strict=True)
    }
