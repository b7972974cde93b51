"""A pretraining on two real processes, over the loopback."""

import json

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from tfdomain.config.pretraining import load_pretraining
from tfdomain.pretraining.run import pretrain


@pytest.mark.thorough
def test_two_processes_pretrain_as_one_does(tmp_path, make_checkpoint, start_pair):
    make_checkpoint(tmp_path / "checkpoint")
    random = np.random.default_rng(0)
    documents = [" ".join(random.choice(["loan", "repaid", "late", "school", "debt"], 12)) for _ in range(61)]
    (tmp_path / "corpus.txt").write_text("\n".join(documents) + "\n")
    values = {
        "name": "domain",
        "encoder": "checkpoint",
        "max_length": 32,
        "dropout_rate": 0.0,
        "corpus": {"files": "corpus.txt", "validation": 0.1},
        "training": {"epochs": 2, "batch_size": 8, "head_steps": 4, "learning_rate": 0.05, "optimizer": "sgd"},
        "measured_texts": 0,
    }
    (tmp_path / "domain.yaml").write_text(yaml.safe_dump(values))
    command = ["-m", "tfdomain", "pretrain", "domain.yaml", "--run-dir"]
    ends = start_pair([[*command, f"run{index}"] for index in (0, 1)], tmp_path).end()
    assert [code for code, _, _ in ends] == [0, 0], ends
    assert not (tmp_path / "run1").exists()
    assert json.loads((tmp_path / "run0/progress.json").read_text())["replicas"] == 2
    alone = pretrain(load_pretraining(tmp_path / "domain.yaml"), tmp_path / "alone", folder=tmp_path, verbose=0)
    together = json.loads((tmp_path / "run0/metrics.json").read_text())
    assert together["before"] == alone["before"]
    assert together["after"]["loss"] == pytest.approx(alone["after"]["loss"], abs=1e-5)
    weights = [load_file(tmp_path / run / "model/model.safetensors") for run in ("run0", "alone")]
    for name, tensor in weights[0].items():
        np.testing.assert_allclose(tensor, weights[1][name], atol=1e-5, err_msg=name)
