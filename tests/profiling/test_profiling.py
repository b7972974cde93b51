"""How fast an experiment trains under several settings, and what is made of it."""

import pytest
import tensorflow as tf

from tfdomain.cli import main
from tfdomain.config import experiment_from, load_experiment
from tfdomain.encoders.encoder import Encoder
from tfdomain.models.encoder_model import EncoderModel
from tfdomain.models.single_tasks import SINGLE_TASKS
from tfdomain.profiling.arithmetic import matrix_product_peak, training_operations
from tfdomain.profiling.comparison import COMPILED_TASKS, Setting, choose, settings_of
from tfdomain.profiling.setting import measure_setting
from tfdomain.profiling.text import settings_text

FIGURES = {
    "examples_per_second": 50.0, "tokens_per_second": 700.0, "padding_share": 0.125, "peak_share": 0.5,
    "peak_memory_bytes": 2**30, "peak_operations_per_second": 2e11, "seconds": 7200.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def experiment_file(tmp_path_factory, write_tiny_experiment, labelled_texts):
    return write_tiny_experiment(
        tmp_path_factory.mktemp("profiled"),
        {"train": [*zip(*labelled_texts, strict=True)]},
        data={"validation": 0.2},
        max_length=16,
        training={"epochs": 2, "batch_size": 8},
    )


def test_operations_are_those_of_the_encoders_matrix_products(tiny_checkpoint):
    encoder = Encoder.from_pretrained(tiny_checkpoint, pooler=False)
    ids = tf.ones([3, 7], tf.int32)
    graph = tf.function(lambda ids: encoder({"token_ids": ids})).get_concrete_function(ids).graph
    forward = 0
    for operation in graph.get_operations():
        if operation.type in ("MatMul", "BatchMatMulV2"):
            [output], common = operation.outputs, operation.inputs[0].shape[-1]
            # The shapes inside a block are not static: what attention gives is known from its inputs alone.
            forward += 2 * _size(output, operation, encoder.config) * _common(common, operation, encoder.config)
    assert training_operations(encoder.config, 3, 7) == 3 * forward


def _size(output, operation, config):
    if operation.type == "MatMul":
        return 21 * output.shape[-1]
    heads = 3 * config.num_attention_heads * 7
    return heads * (7 if operation.get_attr("adj_y") else config.hidden_size // config.num_attention_heads)


def _common(common, operation, config):
    if operation.type == "MatMul":
        return common
    return config.hidden_size // config.num_attention_heads if operation.get_attr("adj_y") else 7


def test_what_is_measured(experiment_file, tmp_path):
    figures = measure_setting(load_experiment(experiment_file), experiment_file.parent, steps=4)
    # 48 rows in 6 updates an epoch, of which 4 were timed.
    assert figures["examples_per_second"] == pytest.approx(8 / figures["seconds_per_update"])
    assert figures["seconds"] > 12 * figures["seconds_per_update"]
    assert 0 <= figures["padding_share"] < 0.5 and figures["peak_memory_bytes"] > 2**27
    assert 0 < figures["peak_share"] < 1
    assert not list(tmp_path.iterdir())


def test_the_peak_is_a_rate():
    assert 1e9 < matrix_product_peak(0.2) < 1e16


def settings(*, gpus=0, processors=4, **changes):
    values = {"name": "n", "encoder": "e", "data": {"train": "a.csv", "label": "l"}} | changes
    experiment = experiment_from(values, where="n.yaml")
    return {one.name: one for one in settings_of(experiment, processors=processors, gpus=gpus)}


def test_what_is_compiled_is_what_the_models_say():
    # The profile answers without TensorFlow, and so cannot ask them.
    fixed = {
        task for task, model in SINGLE_TASKS.items() if model.has_fixed_shapes is not EncoderModel.has_fixed_shapes
    }
    assert fixed == set(COMPILED_TASKS)


def test_settings_change_one_thing_each():
    found = settings(training={"batch_size": 16, "accumulate": 2})
    assert list(found) == [
        "as the file is", "2 threads", "mixed_bfloat16", "recompute", "jit", "2 parts of 8", "batch of 32",
    ]  # fmt: skip
    assert found["2 parts of 8"].changes == ("training.batch_size=8", "training.accumulate=4")
    assert [name for name, one in found.items() if not one.learns_alike] == ["batch of 32"]
    assert "mixed_float16" in settings(gpus=1) and "2 threads" not in settings(gpus=1)
    fixed = settings(processors=1, training={"batch_tokens": 512, "precision": "mixed_bfloat16", "recompute": True})
    assert list(fixed) == ["as the file is", "float32"]
    assert "jit" not in settings(training={"jit": True}) and "jit" not in settings(
        task="tagging", data={"train": "a.conll"}
    )
    assert "jit" not in settings(model={"windows": "mean"})
    assert "2 parts of 16" not in settings(task="embedding", data={"train": "a.csv", "text": ["a", "b"]})


@pytest.mark.parametrize(("rates", "chosen"), [((100, 104, 300), 0), ((100, 106, 300), 1), ((100, 90, 300), 0)])
def test_another_setting_is_chosen_where_it_is_clearly_faster_and_learns_alike(rates, chosen):
    names = [Setting("own"), Setting("other", ("a=1",)), Setting("larger", ("b=1",), learns_alike=False)]
    found = [(one, FIGURES | {"examples_per_second": rate}) for one, rate in zip(names, rates, strict=True)]
    assert choose(found) is names[chosen]


def test_what_takes_longer_as_a_whole_is_not_chosen():
    found = [(Setting("own"), FIGURES), (Setting("jit"), FIGURES | {"examples_per_second": 90.0, "seconds": 7300.0})]
    assert choose(found).name == "own"


def test_the_table_tells_time_costs_and_the_command(tmp_path):
    found = [
        (Setting("as the file is"), FIGURES),
        (Setting("2 threads", ("training.recompute=true",), threads=2), FIGURES | {"examples_per_second": 90.0}),
        (Setting("batch of 64", learns_alike=False), FIGURES),
    ]
    text = settings_text(found, file=tmp_path / "a.yaml", price_per_hour=1.5)
    lines = text.splitlines()
    assert lines[2].split() == [
        "as", "the", "file", "is", "50.0", "700", "12.5%", "50%", "1.0", "GiB", "2:00:00", "3.00",
    ]  # fmt: skip
    assert lines[3].endswith("chosen") and lines[4].endswith("learns otherwise")
    assert lines[-1] == f"tfdomain train {tmp_path / 'a.yaml'} --threads 2 --set training.recompute=true"
    assert "cost" not in settings_text(found, file=tmp_path / "a.yaml").splitlines()[0]


@pytest.mark.thorough
def test_the_command(experiment_file, tmp_path, capfd):
    arguments = ["profile", str(experiment_file), "--steps", "2", "--trace", str(tmp_path / "trace")]
    with pytest.raises(SystemExit, match="0"):
        main([*arguments, "--set", "training.batch_tokens=64", "--set", "training.batch_size=32"])
    told = capfd.readouterr().out
    assert "mixed_bfloat16" in told and "tfdomain train" in told
    assert list((tmp_path / "trace").rglob("*.xplane.pb"))


def test_a_mistake_of_the_experiment_is_told_as_by_train(experiment_file, capfd):
    with pytest.raises(SystemExit, match="2"):
        main(["profile", str(experiment_file), "--set", "data.label=nothing"])
    assert "has no column 'nothing'" in capfd.readouterr().err
