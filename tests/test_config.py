import pytest
import yaml

from tfdomain.config import FitOptions, load_experiment, save_config, validated
from tfdomain.errors import InputError

EXPERIMENT = """
name: banking77
task: classification
encoder: sentence-transformers/all-MiniLM-L6-v2
max_length: 128
data:
  train: banking77/train.csv.gz
  validation: 0.1
  test: banking77/test.csv
  text: text
  label: category
training: {epochs: 5, batch_size: 32, learning_rate: 1.0e-4, warmup_rate: 0.1, weight_decay: 0.01, seed: 0}
"""


@pytest.fixture
def load(tmp_path):
    def load(*overrides, text=EXPERIMENT, **changes):
        values = yaml.safe_load(text)
        for key, value in changes.items():
            section, _, name = key.partition("__")
            (values.setdefault(section, {}) if name else values)[name or section] = value
        (tmp_path / "e.yaml").write_text(yaml.safe_dump(values))
        return load_experiment(tmp_path / "e.yaml", overrides)

    return load


def test_the_example_of_the_interface(load):
    experiment = load()
    assert experiment.training.learning_rate == 1e-4
    assert experiment.data.text_columns == ["text"]
    assert experiment.model.pooling == "cls"
    assert experiment.model.dropout_rate is None
    assert experiment.training.clip_norm == 1.0
    assert experiment.training.best is None


def test_assignments_win_over_the_file(load):
    experiment = load("training.epochs=1", "data.text=[first, second]", "model.pooling=mean", "data.validation=null")
    assert experiment.training.epochs == 1
    assert experiment.data.text_columns == ["first", "second"]
    assert experiment.model.pooling == "mean"
    assert experiment.data.validation is None
    # YAML 1.1 reads 1e-4 as a string; a person means the number.
    assert load("training.learning_rate=1e-4").training.learning_rate == 1e-4


def test_what_is_saved_is_what_was_meant(load, tmp_path):
    experiment = load("training.class_weights={default: 2.0}", "training.clip_norm=null")
    save_config(experiment, tmp_path / "resolved.yaml")
    assert load_experiment(tmp_path / "resolved.yaml") == experiment
    assert yaml.safe_load((tmp_path / "resolved.yaml").read_text())["training"]["label_smoothing"] == 0.0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.epoch=1"], r"unknown key training\.epoch; did you mean epochs\?"),
        (["training.zzz=1"], r"unknown key training\.zzz; the keys here are epochs, batch_size"),
        (["data.lable=x"], r"unknown key data\.lable; did you mean label\?"),
        (["model.foo=1"], r"unknown key model\.foo; the keys here are dropout_rate, pooling"),
        (["optimiser=x"], r"unknown key optimiser; the keys here are name"),
        (["training.epochs=many"], r"training\.epochs is 'many'; it should be a valid integer"),
        (["training.epochs=0"], r"training\.epochs is 0; it should be greater than or equal to 1"),
        (["training.epochs=1.5"], r"training\.epochs is 1\.5"),
        (["training.learning_rate=-1"], r"training\.learning_rate is -1; .*greater than 0"),
        (["training.learning_rate=.inf"], r"training\.learning_rate is inf; .*finite"),
        (["training.warmup_rate=1"], r"training\.warmup_rate is 1; .*less than 1"),
        (["training.optimizer=lion"], r"training\.optimizer is 'lion'; it should be 'adamw' or 'sgd'"),
        (["training.clip_norm=0"], r"training\.clip_norm is 0"),
        (["training.class_weights=even"], r"training\.class_weights is 'even'; it should be 'balanced' or"),
        (["training.class_weights={a: 0}"], r"training\.class_weights"),
        (["training.patience=2"], r"patience waits for a better metric: name it in training\.best"),
        (["training.strategy=none", "training.tpu=local"], r"tpu is given, and strategy is none: set strategy to tpu"),
        (["training.strategy=tpu", "training.jit=false"], r"jit is false, and a TPU runs what is compiled alone"),
        (["training.tpu=local", "training.batch_tokens=99"], r"give batch_size in place of batch_tokens"),
        (["training.jit=true", "training.batch_tokens=99"], r"give batch_size in place of batch_tokens"),
        (["training.strategy=tpu", "training.precision=mixed_float16"], r"set precision to mixed_bfloat16"),
        (["training.jit=maybe"], r"training\.jit is 'maybe'; it should be 'auto', True or False"),
        (["training.epochs=true"], r"epochs is True, which says nothing here"),
        (["training.best=accuracy", "data.validation=null"], r"set data\.validation"),
        (["data.validation=1.5"], r"data\.validation is 1\.5"),
        (["data.text=[]"], r"data\.text is \[\]"),
        (["data.text=[a, b, c]"], r"data\.text is \['a', 'b', 'c'\]"),
        (["data.on_bad_row=keep"], r"data\.on_bad_row is 'keep'; it should be 'refuse' or 'skip'"),
        (["model.pooling=max"], r"model\.pooling is 'max'; it should be 'cls' or 'mean'"),
        (["name=a/b"], r"name is 'a/b'"),
        (["max_length=2"], r"max_length is 2"),
        (["data=x"], r"data is 'x'"),
        (["training.epochs"], r"--set: 'training\.epochs' assigns nothing; write key=value"),
        (["=1"], r"--set: '=1' assigns nothing"),
        (["name.first=x"], r"--set name\.first: name holds no keys"),
        (["training.best=[a"], r"--set training\.best: '\[a' is not YAML; quote the value"),
    ],
)
def test_a_wrong_value_is_one_line_with_the_key_and_the_choices(load, overrides, message):
    with pytest.raises(InputError, match=message) as caught:
        load(*overrides)
    assert "\n" not in str(caught.value)
    assert "pydantic" not in str(caught.value)


@pytest.mark.parametrize("key", ["name", "encoder", "data"])
def test_a_missing_key_is_named(load, key):
    values = yaml.safe_load(EXPERIMENT)
    del values[key]
    with pytest.raises(InputError, match=rf"e\.yaml: {key} is missing; add the key"):
        load(text=yaml.safe_dump(values))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file; check the path"),
        (b"a: [", "is not YAML"),
        (b"\xff\xfe\x00", "is not a text file"),
        (b"", "holds no keys"),
        (b"- a", "holds no keys"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path, content, message):
    if content is not None:
        (tmp_path / "e.yaml").write_bytes(content)
    with pytest.raises(InputError, match=rf"e\.yaml: {message}") as caught:
        load_experiment(tmp_path / "e.yaml")
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_experiment(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_experiment(tmp_path)


def test_fit_options_name_the_call():
    assert validated(FitOptions, {"epochs": 2}, where="fit").epochs == 2
    with pytest.raises(InputError, match=r"^fit: unknown key epoch; did you mean epochs\?"):
        validated(FitOptions, {"epoch": 2}, where="fit")
