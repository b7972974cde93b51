"""The tokens of a pretraining: the checkpoint's, those and more, or new ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfdomain.config.pretraining import SIZES, Pretraining
from tfdomain.config.pretraining import Vocabulary as VocabularyOptions
from tfdomain.encoders.config import EncoderConfig
from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.sources import checkpoint_beside
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.encoders.vocabulary import TokenizerSettings
from tfdomain.models.masked_lm import MaskedLM
from tfdomain.pretraining.extension import extend_encoder, extend_settings, mean_rows, piece_ids
from tfdomain.pretraining.fertility import Fertility, measure_fertility
from tfdomain.pretraining.material import Material
from tfdomain.pretraining.terms import mine_terms
from tfdomain.pretraining.wordpiece_training import learn_vocabulary

__all__ = ["begin_model"]

FERTILITY_TEXTS = 2000
NUM_SHOWN_TERMS = 30
LONGEST_INPUT = 512


def begin_model(pretraining: Pretraining, material: Material, folder: Path) -> tuple[MaskedLM, dict[str, Any]]:
    """The model with its vocabulary, before anything is learned.

    Returns:
        The model, and as JSON values what became of the vocabulary: `fertility` before and after, and the `terms`.

    Raises:
        InputError: The checkpoint is wrong, or the corpus does not give such a vocabulary.
    """
    options, seed = pretraining.vocabulary, pretraining.training.seed
    sample = material.held_out_texts(FERTILITY_TEXTS)
    if pretraining.task == "scratch":
        tokenizer = Tokenizer(_learn(options, material))
        return _from_scratch(pretraining, tokenizer), {"fertility": {"after": _told(tokenizer, sample)}}
    model = MaskedLM.from_pretrained(
        checkpoint_beside(str(pretraining.encoder), folder),
        max_length=pretraining.max_length,
        dropout_rate=pretraining.dropout_rate,
        seed=seed,
    )
    notes: dict[str, Any] = {"fertility": {"before": _told(model.tokenizer, sample)}}
    if options.mode == "keep":
        return model, notes
    if options.mode == "extend":
        terms = mine_terms(
            material.training_texts(), model.tokenizer, num_terms=options.terms, min_count=options.min_count
        )
        notes["num_terms"] = len(terms)
        notes["terms"] = [{"term": term.text, "count": term.count} for term in terms[:NUM_SHOWN_TERMS]]
        model = _extended(model, [term.text for term in terms], seed) if terms else model
    else:
        model = _relearned(model, _learn(options, material), seed)
    notes["fertility"]["after"] = _told(model.tokenizer, sample)
    return model, notes


def _learn(options: VocabularyOptions, material: Material) -> TokenizerSettings:
    return learn_vocabulary(
        material.training_texts(), size=options.size, lowercase=options.lowercase, min_count=options.min_count
    )


def _from_scratch(pretraining: Pretraining, tokenizer: Tokenizer) -> MaskedLM:
    sizes: dict[str, Any] = SIZES[str(pretraining.size)]
    seed = pretraining.training.seed
    config = EncoderConfig(
        vocab_size=tokenizer.vocabulary_size,
        intermediate_size=4 * sizes["hidden_size"],
        max_position_embeddings=LONGEST_INPUT,
        pad_token_id=tokenizer.pad_id,
        **sizes,
    ).with_dropout_rate(pretraining.dropout_rate)
    encoder = Encoder(config, pooler=False, seed=seed)
    model = MaskedLM(encoder, tokenizer, max_length=pretraining.max_length, seed=seed)
    # There is no encoder to protect from its gradients: all begins at once.
    model.has_trained_head = True
    return model


def _extended(model: MaskedLM, terms: Sequence[str], seed: int) -> MaskedLM:
    pieces, old_size = piece_ids(model.tokenizer, terms), model.tokenizer.vocabulary_size
    table = mean_rows(model.encoder.embeddings.words.numpy(), pieces, num_tokens=old_size)
    bias = mean_rows(model.head.bias.numpy(), pieces, num_tokens=old_size)
    return _with_tokens(model, extend_settings(model.tokenizer.settings, terms), table, bias, seed)


def _relearned(model: MaskedLM, settings: TokenizerSettings, seed: int) -> MaskedLM:
    """A new vocabulary on an old encoder: each token begins as the mean of its old pieces."""
    names = model.tokenizer.settings.named
    same = {token: names[name] for name, token in settings.named.items() if name in names}
    plain = [same.get(token, token.removeprefix("##") or token) for token in settings.vocabulary]
    ids = {token: number for number, token in enumerate(model.tokenizer.vocabulary)}
    spelled = piece_ids(model.tokenizer, plain)
    pieces = [
        [ids[same.get(token, token)]] if same.get(token, token) in ids else spelled[number]
        for number, token in enumerate(settings.vocabulary)
    ]
    table, bias = model.encoder.embeddings.words.numpy(), model.head.bias.numpy()
    rows = [np.stack([array[one].mean(axis=0) for one in pieces]) for array in (table, bias)]
    return _with_tokens(model, settings, rows[0], rows[1], seed)


def _with_tokens(
    model: MaskedLM, settings: TokenizerSettings, table: np.ndarray, bias: np.ndarray, seed: int
) -> MaskedLM:
    tokenizer = Tokenizer(settings)
    encoder = extend_encoder(model.encoder, table, pad_token_id=tokenizer.pad_id)
    changed = MaskedLM(encoder, tokenizer, max_length=model.max_length, seed=seed)
    for old, new in zip(model.head.weights, changed.head.weights, strict=True):
        new.assign(bias if new is changed.head.bias else old)
    changed.has_trained_head = model.has_trained_head
    return changed


def _told(tokenizer: Tokenizer, texts: list[str]) -> dict[str, float]:
    measured: Fertility = measure_fertility(tokenizer, texts)
    return {
        "pieces_per_word": round(measured.pieces_per_word, 4),
        "share_whole": round(measured.share_whole, 4),
        "unknown_share": round(measured.unknown_share, 4),
    }
