import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import tfdomain
from tfdomain.errors import InputError, TfdomainError
from tfdomain.models.folder import FORMAT_VERSION, load, load_from

TEXTS = ["my car is lost", "we paid", "", "please help with the money for school !"]
TOKENIZER_FILES = {"vocab.txt", "tokenizer.json", "tokenizer_config.json"}
RELEASES = sorted((Path(__file__).parent / "fixtures").glob("release-*"))


@pytest.fixture(scope="module")
def saved(trained, trained_pairs, tmp_path_factory):
    folders = {name: tmp_path_factory.mktemp("saved") / name for name in ("cls", "mean")}
    trained.save(folders["cls"], label="status")
    trained_pairs.save(folders["mean"])
    return folders


@pytest.fixture
def copy(saved, tmp_path):
    return lambda name: Path(shutil.copytree(saved[name], tmp_path / name))


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_head_on_the_pooler_is_what_transformers_knows(saved, trained):
    folder = saved["cls"]
    assert set(files_of(folder)) == TOKENIZER_FILES | {"config.json", "model.safetensors", "tfdomain.json"}
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["BertForSequenceClassification"]
    assert config["id2label"] == {"0": "default", "1": "repaid"}
    assert config["label2id"] == {"default": 0, "repaid": 1}
    tensors = load_file(folder / "model.safetensors")
    np.testing.assert_array_equal(tensors["classifier.weight"], trained.head.kernel.numpy().T)
    assert {name.split(".")[0] for name in tensors} == {"bert", "classifier"}


def test_any_other_head_leaves_a_plain_encoder(saved, trained_pairs):
    folder = saved["mean"]
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["BertModel"]
    assert "id2label" not in config
    assert not [name for name in load_file(folder / "model.safetensors") if "classifier" in name or "bert." in name]
    head = load_file(folder / "head.safetensors")
    np.testing.assert_array_equal(head["head.kernel"], trained_pairs.head.kernel.numpy())


def test_a_classifier_without_a_pooler_is_no_transformers_class(make_checkpoint, tmp_path):
    checkpoint = make_checkpoint(tmp_path / "checkpoint", pooler=False, num_hidden_layers=1)
    model = tfdomain.TextClassifier.from_pretrained(str(checkpoint), labels=["a", "b"])
    model.save(tmp_path / "model")
    assert json.loads((tmp_path / "model/config.json").read_text())["architectures"] == ["BertModel"]
    np.testing.assert_array_equal(load(tmp_path / "model").predict(TEXTS), model.predict(TEXTS))


@pytest.mark.parametrize("name", ["cls", "mean"])
def test_every_tensor_survives(saved, trained, trained_pairs, name):
    model, again = {"cls": trained, "mean": trained_pairs}[name], load(saved[name])
    assert len(again.weights) == len(model.weights)
    for one, other in zip(again.encoder.named_weights().values(), model.encoder.named_weights().values(), strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    np.testing.assert_array_equal(again.head.kernel.numpy(), model.head.kernel.numpy())
    np.testing.assert_array_equal(again.head.bias.numpy(), model.head.bias.numpy())
    assert again.get_config() == model.get_config()
    assert not [path for path in saved[name].parent.iterdir() if path.name.startswith(".")]


def test_notes_stay_with_the_model(saved, tmp_path):
    model = load(saved["cls"])
    assert model.notes == {"label": "status"}
    model.save(tmp_path / "again", epoch=3)
    assert load(tmp_path / "again").notes == {"label": "status", "epoch": 3}


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
@pytest.mark.parametrize("name", ["cls", "mean"])
def test_stored_releases_keep_loading(release, name):
    stored = json.loads((release / "predictions.json").read_text())
    model = load(release / name)
    inputs = (stored["texts"], stored["pairs"]) if model.pairs else stored["texts"]
    np.testing.assert_allclose(model.predict(inputs), stored["predictions"][name], atol=1e-6)
    assert model.notes == {"text": ["reason"], "label": "status"}


def test_there_is_a_stored_release_of_this_format():
    versions = [json.loads(path.read_text())["format_version"] for r in RELEASES for path in r.glob("*/tfdomain.json")]
    assert set(versions) == set(range(1, FORMAT_VERSION + 1))


def edit(folder, **changes):
    path = folder / "tfdomain.json"
    sidecar = json.loads(path.read_text())
    for key, value in changes.items():
        where = sidecar["settings"] if key in sidecar["settings"] or key == "unheard" else sidecar
        where[key] = value
    path.write_text(json.dumps(sidecar))


def drop(folder, key):
    path = folder / "tfdomain.json"
    sidecar = json.loads(path.read_text())
    del sidecar[key]
    path.write_text(json.dumps(sidecar))


def cut(folder, file, size):
    (folder / file).write_bytes((folder / file).read_bytes()[:size])


def replace_head(folder, **tensors):
    save_file({name.replace("_", "."): value for name, value in tensors.items()}, folder / "head.safetensors")


ZEROS = np.zeros
FAULTS = {
    "no sidecar": (lambda f: (f / "tfdomain.json").unlink(), "holds no tfdomain.json; give a folder that `save` wrote"),
    "later format": (lambda f: edit(f, format_version=99), "tfdomain.json: format_version is 99, and this release"),
    "no format": (lambda f: drop(f, "format_version"), "tfdomain.json: format_version is None"),
    "format is true": (lambda f: edit(f, format_version=True), "tfdomain.json: format_version is True"),
    "other task": (lambda f: edit(f, task="poetry"), "tfdomain.json: task is 'poetry'; the tasks here are"),
    "no settings": (lambda f: drop(f, "settings"), "tfdomain.json: settings is None"),
    "no notes": (lambda f: drop(f, "notes"), "tfdomain.json: notes is None"),
    "unknown setting": (lambda f: edit(f, unheard=1), "tfdomain.json: its settings do not make .*unheard"),
    "wrong setting": (lambda f: edit(f, pooling="max"), "tfdomain.json: .*pooling is 'max'"),
    "one label fewer": (lambda f: edit(f, labels=["a", "b"]), r"head.safetensors: head.kernel has the shape \[16, 3\]"),
    "too long": (lambda f: edit(f, max_length=65), "tfdomain.json: .*max_length is 65"),
    "cut sidecar": (lambda f: cut(f, "tfdomain.json", 40), "tfdomain.json: is not JSON"),
    "a list": (lambda f: (f / "tfdomain.json").write_text("[]"), "tfdomain.json: holds no keys"),
    "no head": (lambda f: (f / "head.safetensors").unlink(), "head.safetensors: cannot be read"),
    "cut head": (lambda f: cut(f, "head.safetensors", 100), "head.safetensors: cannot be read"),
    "half a head": (lambda f: replace_head(f, head_kernel=ZEROS((16, 3), "f4")), "head.bias is missing; restore"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "has no model.safetensors"),
    "cut weights": (lambda f: cut(f, "model.safetensors", 5000), "model.safetensors: is damaged or cut short"),
    "no vocabulary": (lambda f: [(f / n).unlink() for n in ("vocab.txt", "tokenizer.json")], "vocab.txt"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_folder_is_one_line_with_the_file_and_the_mend(copy, fault):
    damage, message = FAULTS[fault]
    folder = copy("mean")
    damage(folder)
    with pytest.raises(InputError, match=message) as caught:
        load(folder)
    assert str(folder) in str(caught.value)
    assert "; " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_classifier_whose_head_was_taken_out_is_refused(copy):
    folder = copy("cls")
    tensors = load_file(folder / "model.safetensors")
    del tensors["classifier.bias"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"model\.safetensors: the tensor classifier\.bias is missing"):
        load(folder)


def test_no_folder_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no such folder; check the path"):
        load(tmp_path / "nowhere")


def test_load_from_takes_a_model_or_its_run(saved, tmp_path):
    shutil.copytree(saved["cls"], tmp_path / "run/model")
    assert load_from(tmp_path / "run").labels == load_from(saved["cls"]).labels
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="other: holds no trained model; give a model's folder, or a run"):
        load_from(tmp_path / "other")
    with pytest.raises(InputError, match="missing: no such folder"):
        load_from(tmp_path / "missing")


def test_saving_never_replaces_what_is_no_model(trained, tmp_path):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.txt").write_text("months of work")
    for target in (folder, folder / "chapter.txt"):
        with pytest.raises(InputError, match="exists and holds something else; choose a new folder"):
            trained.save(target)
    assert (folder / "chapter.txt").read_text() == "months of work"


def test_saving_replaces_an_older_model_as_a_whole(trained, copy):
    folder = copy("mean")
    trained.save(folder)
    assert not (folder / "head.safetensors").exists()
    assert load(folder).labels == trained.labels
    with pytest.raises(InputError, match="exists; choose a new folder, or save with overwrite=True"):
        trained.save(folder, overwrite=False)


def test_saving_fills_an_empty_folder(trained, tmp_path):
    (tmp_path / "empty").mkdir()
    trained.save(tmp_path / "empty")
    assert load(tmp_path / "empty").labels == trained.labels


@pytest.mark.parametrize("place", ["fsync", "head"])
def test_a_full_disk_leaves_the_old_model_untouched(trained_pairs, copy, monkeypatch, place):
    folder = copy("cls")
    before = files_of(folder)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if place == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(
        TfdomainError, match=r"cannot be written \(no space left on device\); free some space"
    ) as caught:
        trained_pairs.save(folder)
    assert caught.value.exit_code == 1
    monkeypatch.undo()
    assert files_of(folder) == before
    assert os.listdir(folder.parent) == ["cls"]
