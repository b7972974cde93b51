"""A pretraining from files to an encoder, and what is told when it cannot be."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from tfdomain.config.pretraining import load_pretraining
from tfdomain.encoders.checkpoints import read_tensors
from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.models.classifier import TextClassifier
from tfdomain.pretraining.run import pretrain

WORDS = ["loan", "repaid", "late", "school", "medical", "furnace", "dialysis", "lost", "debt", "the", "was"]
OPTIONS = {"epochs": 2, "batch_size": 8, "head_steps": 4, "learning_rate": 1e-3}


@pytest.fixture
def folder(tmp_path, tiny_checkpoint) -> Path:
    random = np.random.default_rng(0)
    documents = [" ".join(random.choice(WORDS, 12)) for _ in range(120)]
    lines = (json.dumps({"text": document}) for document in documents)
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "test.csv").write_text(f"text\n{documents[0]}\n{documents[1]} indeed\n")
    (tmp_path / "general.txt").write_text("\n".join("it is what it is and so on" for _ in range(40)) + "\n")
    return tmp_path


@pytest.fixture
def describe(folder, tiny_checkpoint):
    """Writes a pretraining file with some keys changed, and reads it."""

    def write(*changes: str):
        values = {
            "name": "domain",
            "encoder": str(tiny_checkpoint),
            "max_length": 32,
            "corpus": {"files": "corpus.jsonl", "validation": 0.1},
            "training": OPTIONS,
            "measured_texts": 2,
        }
        (folder / "pretrain.yaml").write_text(yaml.safe_dump(values))
        return load_pretraining(folder / "pretrain.yaml", list(changes))

    return write


def run(pretraining, folder: Path, name: str = "run", **more) -> dict:
    return pretrain(pretraining, folder / name, folder=folder, verbose=0, **more)


def test_an_adapted_encoder_knows_the_corpus_and_takes_a_head(folder, describe):
    metrics = run(describe("neighbours=[loan]"), folder)
    before, after = metrics["before"], metrics["after"]
    assert after["loss"] < before["loss"] and after["pseudo_perplexity"] < before["pseudo_perplexity"]
    assert after["perplexity"] == pytest.approx(np.exp(after["loss"]))
    assert metrics["corpus"]["training"] + metrics["corpus"]["held_out"] == 120
    assert set(after["neighbours"]["loan"]) <= set(WORDS) - {"loan"}
    assert metrics == json.loads((folder / "run" / "metrics.json").read_text())
    assert metrics["training"]["padding_share"] < 0.2 and metrics["training"]["tokens_per_second"] > 0
    assert "nearest words" in (folder / "run" / "report.txt").read_text()
    # What has served is gone: a corpus may be large.
    left = {path.name for path in (folder / "run").iterdir()}
    assert not left & {"state.safetensors", "corpus", "tokens", "start"}
    model = TextClassifier.from_pretrained(str(folder / "run" / "model"), labels=["a", "b"])
    assert model.predict(["the loan was repaid"]).shape == (1, 2)
    config = json.loads((folder / "run" / "model" / "config.json").read_text())
    assert config["architectures"] == ["BertForMaskedLM"]


def test_a_vocabulary_is_extended_by_terms_of_the_corpus(folder, describe, tiny_checkpoint):
    metrics = run(describe("vocabulary={mode: extend, terms: 2, min_count: 5}"), folder)
    added = [term["term"] for term in metrics["vocabulary"]["terms"]]
    assert len(added) == 2 and set(added) <= set(WORDS)
    fertility = metrics["vocabulary"]["fertility"]
    assert fertility["after"]["pieces_per_word"] < fertility["before"]["pieces_per_word"]
    old, new = Tokenizer.from_pretrained(tiny_checkpoint), Tokenizer.from_pretrained(folder / "run" / "model")
    assert new.vocabulary == [*old.vocabulary, *added]
    assert Encoder.from_pretrained(folder / "run" / "model").config.vocab_size == len(new.vocabulary)


@pytest.mark.thorough
def test_a_vocabulary_is_learned_for_an_old_encoder(folder, describe, tiny_checkpoint):
    run(describe("vocabulary={mode: learn, size: 250, min_count: 5}", "training.epochs=1"), folder)
    tokenizer = Tokenizer.from_pretrained(folder / "run" / "model")
    assert {"loan", "dialysis", "furnace"} <= set(tokenizer.vocabulary)
    config = Encoder.from_pretrained(folder / "run" / "model").config
    assert config.vocab_size == tokenizer.vocabulary_size
    assert config.pad_token_id == tokenizer.pad_id


@pytest.mark.thorough
def test_an_encoder_from_scratch(folder, describe):
    changes = ["task=scratch", "encoder=null", "size=tiny", "vocabulary={mode: learn, size: 250, min_count: 5}"]
    metrics = run(describe(*changes, "training.epochs=6"), folder)
    assert metrics["after"]["loss"] < metrics["before"]["loss"] - 0.5
    config = Encoder.from_pretrained(folder / "run" / "model").config
    assert (config.num_hidden_layers, config.hidden_size, config.num_attention_heads) == (2, 128, 2)


def test_guarded_texts_are_kept_out_and_general_ones_mixed_in(folder, describe):
    changes = ["corpus.guard={files: test.csv}", "corpus.replay={files: general.txt, share: 0.2}"]
    notes = run(describe(*changes, "training.epochs=1"), folder)["corpus"]
    assert notes["guard"]["leaking"] >= 2
    assert notes["training"] + notes["held_out"] == 120 - notes["guard"]["leaking"]
    assert notes["replay"] > 0


@pytest.mark.thorough
def test_only_documents_near_a_tasks_texts(folder, describe):
    notes = run(describe("corpus.near={files: test.csv, per_text: 30}", "training.epochs=1"), folder)["corpus"]
    assert 30 <= notes["near"] <= 60 and notes["training"] + notes["held_out"] == notes["near"]


@pytest.mark.thorough
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_frozen_layers_stay_and_half_precision_learns(folder, describe, tiny_checkpoint, precision):
    metrics = run(describe("training.frozen_layers=1", f"training.precision={precision}"), folder)
    assert metrics["after"]["loss"] < metrics["before"]["loss"]
    old, new = read_tensors(tiny_checkpoint), read_tensors(folder / "run" / "model")
    for name in old:
        if name.startswith(("embeddings.", "encoder.layer.0.")):
            np.testing.assert_array_equal(old[name], new[f"bert.{name}"], err_msg=name)
    assert any(np.any(old[name] != new[f"bert.{name}"]) for name in old if name.startswith("encoder.layer.1."))


@pytest.mark.thorough
def test_it_stops_when_held_out_text_is_known_no_better(folder, describe):
    metrics = run(describe("training.patience=1", "training.epochs=50", "training.learning_rate=0.5"), folder)
    progress = json.loads((folder / "run" / "progress.json").read_text())
    assert progress["epoch"] < 50
    assert metrics["after"]["loss"] < 100


@pytest.mark.thorough
def test_a_killed_run_goes_on_to_equal_weights(folder, describe, tmp_path):
    describe()
    command = [sys.executable, "-m", "tfdomain", "pretrain", str(folder / "pretrain.yaml")]
    command += ["--set", "training.epochs=12", "--set", "training.checkpoint_seconds=0"]
    killed = subprocess.Popen([*command, "--run-dir", "killed"], cwd=tmp_path, stdout=subprocess.DEVNULL)
    progress = tmp_path / "killed" / "progress.json"
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and killed.poll() is None:
        if progress.is_file() and json.loads(progress.read_text())["step"] > 8:
            break
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert (tmp_path / "killed" / "state.safetensors").is_file()
    again = subprocess.run([*command, "--run-dir", "killed", "--resume"], cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode == 0 and re.search(r"resumed from step \d+", again.stdout), again.stdout + again.stderr
    subprocess.run([*command, "--run-dir", "whole"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    one, other = (read_tensors(tmp_path / name / "model") for name in ("killed", "whole"))
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["corpus.files=nothing.txt"], "nothing.txt"),
        (["corpus.validation=0.000001"], "120 documents to learn from and 0 to measure on"),
        (["encoder=nowhere"], "nowhere"),
        (["vocabulary={mode: learn, size: 100}"], "size"),
        (["training.frozen_layers=9"], "9 layers to freeze"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_left(folder, describe, changes, message):
    with pytest.raises(InputError, match=message):
        run(describe(*changes), folder)
    assert not (folder / "run").exists()


def test_an_empty_corpus(folder, describe):
    (folder / "corpus.jsonl").write_text("")
    with pytest.raises(InputError, match="there is no document"):
        run(describe(), folder)


@pytest.mark.thorough
def test_a_folder_that_is_taken(folder, describe):
    run(describe("training.epochs=1"), folder)
    with pytest.raises(InputError, match="holds a run already; go on with --resume"):
        run(describe("training.epochs=1"), folder)
    with pytest.raises(InputError, match=r"the run began with training\.epochs=1, and now it is 3"):
        run(describe("training.epochs=3"), folder, resume=True)
    assert run(describe("training.epochs=1"), folder, resume=True)["after"]["loss"] > 0
    assert os.listdir(folder / "run")


@pytest.mark.thorough
def test_replaced_tokens_as_the_objective(folder, describe):
    changes = ["objective={kind: electra, generator_size: 0.5}", "training.patience=9", "training.epochs=4"]
    metrics = run(describe(*changes, "neighbours=[loan]"), folder)
    assert metrics["after"]["loss"] < metrics["before"]["loss"]
    assert {"detection_accuracy", "neighbours"} < set(metrics["after"])
    assert "pseudo_perplexity" not in metrics["after"]
    Encoder.from_pretrained(folder / "run" / "model")
