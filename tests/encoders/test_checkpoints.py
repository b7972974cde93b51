"""Checkpoints are read as they are, written as the reference reads them, and refused where they are damaged."""

import json
import shutil

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tfdomain.encoders import checkpoints
from tfdomain.encoders.checkpoints import (
    encoder_tensors,
    load_encoder,
    read_head_tensors,
    read_tensors,
    save_checkpoint,
)
from tfdomain.encoders.config import read_config
from tfdomain.errors import InputError, TfdomainError
from tfdomain.files import whole_folder

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"


@pytest.fixture
def checkpoint(tmp_path, make_checkpoint):
    return make_checkpoint(tmp_path / "checkpoint")


def rewrite(folder, change) -> None:
    """Writes the tensors again after a change of their dictionary."""
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def shard(folder) -> None:
    """Splits the weights into two files with an index."""
    tensors = load_file(folder / WEIGHTS)
    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, inside in parts.items():
        save_file({name: tensors[name] for name in inside}, folder / file, metadata={"format": "pt"})
    where = {name: file for file, inside in parts.items() for name in inside}
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": where}))
    (folder / WEIGHTS).unlink()


def error_of(function, *arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        function(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def assert_same(found, expected) -> None:
    assert set(found) == set(expected)
    for name in expected:
        assert found[name].dtype == expected[name].dtype
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


@pytest.mark.parametrize("prefix", ["", "bert."])
@pytest.mark.parametrize("pooler", [True, False])
def test_round_trip_is_bit_for_bit(tmp_path, make_checkpoint, prefix, pooler):
    original = make_checkpoint(tmp_path / "original", prefix=prefix, pooler=pooler, layer_norm_eps=1e-5)
    architecture = "BertForMaskedLM" if prefix else "BertModel"
    with whole_folder(tmp_path / "saved") as folder:
        save_checkpoint(load_encoder(original), folder, architecture=architecture)
    assert_same(read_tensors(tmp_path / "saved"), load_file(original / WEIGHTS))
    assert read_config(tmp_path / "saved") == read_config(original)
    assert json.loads((tmp_path / "saved" / "config.json").read_text())["architectures"] == [architecture]


@pytest.mark.real
def test_round_trip_of_the_real_checkpoint(minilm, tmp_path):
    encoder = load_encoder(minilm)
    save_checkpoint(encoder, tmp_path)
    expected = load_file(minilm / WEIGHTS)
    expected.pop("embeddings.position_ids")
    assert_same(read_tensors(tmp_path), expected)


def test_saved_folder_is_what_the_reference_expects(checkpoint, tmp_path):
    transformers = pytest.importorskip("transformers")
    (tmp_path / "saved").mkdir()
    save_checkpoint(load_encoder(checkpoint), tmp_path / "saved", extra_config={"id2label": {"0": "A", "1": "B"}})
    config = transformers.BertConfig.from_pretrained(tmp_path / "saved")
    assert config.hidden_size == 16 and config.id2label == {0: "A", 1: "B"}
    from safetensors import safe_open

    with safe_open(tmp_path / "saved" / WEIGHTS, framework="np") as stored:
        assert stored.metadata() == {"format": "pt"}
        shapes = {name: stored.get_slice(name).get_shape() for name in stored.keys()}  # noqa: SIM118
    # BertModel.from_pretrained reports exactly these as its parameters, and nothing missing or unexpected.
    block = {
        "attention.self.query.weight": [16, 16], "attention.self.query.bias": [16],
        "attention.self.key.weight": [16, 16], "attention.self.key.bias": [16],
        "attention.self.value.weight": [16, 16], "attention.self.value.bias": [16],
        "attention.output.dense.weight": [16, 16], "attention.output.dense.bias": [16],
        "attention.output.LayerNorm.weight": [16], "attention.output.LayerNorm.bias": [16],
        "intermediate.dense.weight": [32, 16], "intermediate.dense.bias": [32],
        "output.dense.weight": [16, 32], "output.dense.bias": [16],
        "output.LayerNorm.weight": [16], "output.LayerNorm.bias": [16],
    }  # fmt: skip
    expected = {f"encoder.layer.{index}.{name}": shape for index in range(2) for name, shape in block.items()}
    expected |= {
        "embeddings.word_embeddings.weight": [config.vocab_size, 16],
        "embeddings.position_embeddings.weight": [64, 16],
        "embeddings.token_type_embeddings.weight": [2, 16],
        "embeddings.LayerNorm.weight": [16],
        "embeddings.LayerNorm.bias": [16],
        "pooler.dense.weight": [16, 16],
        "pooler.dense.bias": [16],
    }
    assert shapes == expected


def test_heads_are_passed_over_and_kept_apart(tmp_path, make_checkpoint):
    folder = make_checkpoint(tmp_path / "checkpoint", prefix="bert.", pooler=False)
    head = {"cls.predictions.bias": np.arange(3, dtype="float32"), "classifier.weight": np.ones([2, 16], "float32")}
    rewrite(folder, lambda tensors: tensors.update(head | {"bert.embeddings.position_ids": np.arange(64)[None]}))
    assert not load_encoder(folder).has_pooler
    assert_same(read_head_tensors(folder), head)


def test_head_is_saved_beside_the_encoder(checkpoint, tmp_path):
    head = {"classifier.weight": np.ones([16, 2], "float32").T}
    encoder = load_encoder(checkpoint)
    save_checkpoint(encoder, tmp_path, extra_tensors=head, architecture="BertForSequenceClassification")
    assert_same(read_tensors(tmp_path), encoder_tensors(encoder, "bert.") | head)
    message = error_of(save_checkpoint, encoder, tmp_path, extra_tensors={"pooler.dense.bias": np.zeros(16)})
    assert "pooler.dense.bias" in message


def test_shards_and_old_names(checkpoint):
    expected = encoder_tensors(load_encoder(checkpoint))

    def age(tensors):
        for name in [name for name in tensors if "LayerNorm" in name]:
            old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
            tensors[old] = tensors.pop(name)

    rewrite(checkpoint, age)
    shard(checkpoint)
    assert_same(encoder_tensors(load_encoder(checkpoint)), expected)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_other_floats_become_float32(checkpoint, dtype):
    expected = {name: value.astype(dtype).astype("float32") for name, value in load_file(checkpoint / WEIGHTS).items()}
    rewrite(checkpoint, lambda tensors: tensors.update({n: v.astype(dtype) for n, v in tensors.items()}))
    assert_same(encoder_tensors(load_encoder(checkpoint)), expected)


def test_pooler_and_dropout_rate_can_be_chosen(checkpoint, tmp_path, make_checkpoint):
    assert load_encoder(checkpoint).has_pooler
    assert not load_encoder(checkpoint, pooler=False).has_pooler
    assert load_encoder(checkpoint, dropout_rate=0.3).config.hidden_dropout_prob == 0.3
    without = make_checkpoint(tmp_path / "without", pooler=False)
    assert "pooler.dense.weight is missing" in error_of(load_encoder, without, pooler=True)


@pytest.mark.parametrize("kept", [0, 5, 100, -1])
def test_cut_short(checkpoint, kept):
    content = (checkpoint / WEIGHTS).read_bytes()
    (checkpoint / WEIGHTS).write_bytes(content[:kept])
    message = error_of(load_encoder, checkpoint)
    assert str(checkpoint / WEIGHTS) in message and "damaged or cut short" in message


def test_missing_and_wrong_tensors_are_named(checkpoint):
    name = "encoder.layer.1.output.dense.weight"
    rewrite(checkpoint, lambda tensors: tensors.pop(name))
    assert f"tensor {name} is missing" in error_of(load_encoder, checkpoint)
    rewrite(checkpoint, lambda tensors: tensors.update({name: np.zeros([16, 31], "float32")}))
    message = error_of(load_encoder, checkpoint)
    assert f"tensor {name} has shape [16, 31]" in message and "[16, 32]" in message and WEIGHTS in message
    rewrite(checkpoint, lambda tensors: tensors.update({name: np.zeros([16, 32], "int8")}))
    assert "type I8" in error_of(load_encoder, checkpoint)


def test_configuration_that_does_not_fit(checkpoint):
    path = checkpoint / "config.json"
    fields = json.loads(path.read_text())
    path.write_text(json.dumps(fields | {"vocab_size": 30522}))
    message = error_of(load_encoder, checkpoint)
    assert "embeddings.word_embeddings.weight has shape" in message and "30522" in message
    path.write_text(json.dumps(fields | {"num_hidden_layers": 1}))
    message = error_of(load_encoder, checkpoint)
    assert "encoder.layer.1." in message and "num_hidden_layers 1" in message
    path.write_text(json.dumps(fields | {"num_hidden_layers": 3}))
    assert "encoder.layer.2." in error_of(load_encoder, checkpoint)


def test_faults_of_shards(checkpoint):
    shard(checkpoint)
    index = json.loads((checkpoint / INDEX).read_text())
    second = checkpoint / "model-00002-of-00002.safetensors"
    shutil.move(second, checkpoint / "away")
    message = error_of(load_encoder, checkpoint)
    assert str(second) in message and "missing" in message
    shutil.copy(checkpoint / "model-00001-of-00002.safetensors", second)
    assert f"{second}: has no tensor" in error_of(load_encoder, checkpoint)
    for broken in ({}, {"weight_map": []}, {"weight_map": {"a": 1}}, {"weight_map": {"a": "../b.safetensors"}}):
        (checkpoint / INDEX).write_text(json.dumps(broken))
        assert str(checkpoint / INDEX) in error_of(read_tensors, checkpoint)
    assert index["weight_map"]


def test_folders_without_weights(checkpoint, tmp_path):
    (checkpoint / WEIGHTS).unlink()
    assert f"has no {WEIGHTS}" in error_of(load_encoder, checkpoint)
    (checkpoint / "pytorch_model.bin").write_bytes(b"pickle")
    assert "convert it once" in error_of(load_encoder, checkpoint)
    assert "no such folder" in error_of(read_tensors, tmp_path / "nowhere")


def test_other_models_are_refused(checkpoint):
    save_file({"transformer.wte.weight": np.zeros([3, 3], "float32")}, checkpoint / WEIGHTS)
    message = error_of(load_encoder, checkpoint)
    assert "no BERT encoder" in message and "transformer.wte.weight" in message


def test_full_disk_leaves_nothing_and_says_so(checkpoint, tmp_path, monkeypatch):
    import safetensors

    def fail(*arguments, **options):
        raise safetensors.SafetensorError("Error while serializing: I/O error: No space left (os error 28)")

    monkeypatch.setattr(checkpoints.safetensors.numpy, "save_file", fail)
    encoder = load_encoder(checkpoint)
    with pytest.raises(TfdomainError, match="no space left"), whole_folder(tmp_path / "saved") as folder:
        save_checkpoint(encoder, folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint"]
