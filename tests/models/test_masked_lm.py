"""The masked language model equals the PyTorch reference; `goldens/` was written by
`experiments/make_masked_lm_goldens.py`."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import transformers

from tfdomain.encoders.checkpoints import load_encoder, read_tensors
from tfdomain.errors import InputError
from tfdomain.models.masked_lm import MaskedLM

GOLDEN = Path(__file__).parent / "goldens" / "masked_lm.npz"
KEYS = ("token_ids", "padding_mask", "labels")


@pytest.fixture(scope="module")
def checkpoint(make_checkpoint, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("masked_lm") / "checkpoint"
    return make_checkpoint(folder, prefix="bert.", pooler=False, masked_lm=True)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as stored:
        return dict(stored)


def test_scores_loss_and_gradient_equal_the_reference(checkpoint, golden):
    model = MaskedLM.from_pretrained(checkpoint)
    assert model.has_trained_head
    batch = {key: tf.constant(golden[key]) for key in KEYS}
    np.testing.assert_allclose(model(batch), golden["scores"], atol=2e-5)
    losses, right = model.guess_batch(batch)
    assert losses.mean() == pytest.approx(float(golden["loss"]), abs=1e-5)
    labels = golden["labels"][golden["labels"] != -1]
    np.testing.assert_array_equal(right, golden["scores"].argmax(axis=1) == labels)
    # Tied: the table's gradient comes from both of its ends.
    table = model.encoder.embeddings.words
    with tf.GradientTape() as tape:
        scores = model(batch)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores))
    gradient = tf.convert_to_tensor(tape.gradient(loss, table.value))
    np.testing.assert_allclose(gradient, golden["table_gradient"], atol=2e-5)


def test_a_saved_model_is_the_same_again_and_transformers_knows_it(checkpoint, golden, tmp_path):
    model = MaskedLM.from_pretrained(checkpoint)
    model.save(tmp_path / "model", epoch=2)
    config = transformers.BertConfig.from_pretrained(tmp_path / "model")
    assert config.architectures == ["BertForMaskedLM"]
    before, after = read_tensors(checkpoint), read_tensors(tmp_path / "model")
    assert set(before) == set(after)
    for name in before:
        np.testing.assert_array_equal(before[name], after[name])
    again = MaskedLM.from_pretrained(tmp_path / "model")
    batch = {key: golden[key] for key in KEYS}
    np.testing.assert_array_equal(again(batch), model(batch))
    load_encoder(tmp_path / "model")


def test_a_checkpoint_without_a_head_gets_a_fresh_one(tiny_checkpoint, golden):
    models = [MaskedLM.from_pretrained(tiny_checkpoint, seed=seed) for seed in (1, 1, 2)]
    assert not models[0].has_trained_head
    batch = {key: golden[key] for key in KEYS}
    scores = [model(batch).numpy() for model in models]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert np.any(scores[0] != scores[2])


def test_a_head_with_a_table_of_its_own_is_refused(make_checkpoint, tmp_path):
    folder = make_checkpoint(tmp_path / "untied", prefix="bert.", pooler=False, masked_lm=True)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": False}))
    with pytest.raises(InputError, match="tie_word_embeddings: is false"):
        MaskedLM.from_pretrained(folder)


def test_a_batch_with_nothing_to_guess(checkpoint):
    model = MaskedLM.from_pretrained(checkpoint)
    batch = {name: np.full((2, 4), value, "int32") for name, value in (("token_ids", 7), ("padding_mask", 1))}
    batch["labels"] = np.full((2, 4), -1, "int32")
    batch = {name: tf.constant(array) for name, array in batch.items()}
    assert model(batch).shape[0] == 0
    loss = model.replica_loss(batch, denominator=model.loss_denominator(batch), seed=tf.constant([0, 0]))
    assert float(loss) == 0
