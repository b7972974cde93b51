"""Two replicas and updates in parts learn what one device learns from whole batches."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

SCRIPT = """
import sys
import numpy as np
import tensorflow as tf

folder, replicas, accumulate, objective = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
devices = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(devices[0], [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.get_strategy()
if replicas == 2:
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

from pathlib import Path
from tfdomain.config.pretraining import PretrainingOptions
from tfdomain.models.masked_lm import MaskedLM
from tfdomain.models.replaced_tokens import ReplacedTokenDetector
from tfdomain.pretraining.batches import PackedBatches
from tfdomain.pretraining.masking import Masking
from tfdomain.pretraining.token_store import TokenStore

store = TokenStore.open(Path(folder) / "tokens")
with strategy.scope():
    model = MaskedLM.from_pretrained(f"{folder}/checkpoint", max_length=32, dropout_rate=0.0)
    if objective == "electra":
        model = ReplacedTokenDetector(model.encoder, model.tokenizer, max_length=32, generator_size=0.5)
    hide = Masking(model.tokenizer)
    source = PackedBatches(store, model.tokenizer, np.arange(60), hide=hide, length=32, batch_size=7)
    options = PretrainingOptions(epochs=2, optimizer="sgd", learning_rate=0.05, accumulate=accumulate)
    model.prepare_training(options, source.num_batches)
    history = model.fit_batches(source, verbose=0)
assert history.history["loss"][1] < history.history["loss"][0]
np.savez(f"{folder}/weights.npz", *[np.asarray(variable) for variable in model.weights])
"""


@pytest.fixture(scope="module")
def train(tmp_path_factory, make_checkpoint):
    from tfdomain.encoders.tokenizer import Tokenizer
    from tfdomain.pretraining.token_store import write_token_store

    folder = tmp_path_factory.mktemp("strategies")
    make_checkpoint(folder / "checkpoint", prefix="bert.", masked_lm=True)
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(["loan", "repaid", "late", "school", "debt"], 20)) for _ in range(60)]
    write_token_store(pa.chunked_array([texts]), Tokenizer.from_pretrained(folder / "checkpoint"), folder / "tokens")

    def run(replicas: int, accumulate: int, objective: str) -> list[np.ndarray]:
        command = [sys.executable, "-c", SCRIPT, str(folder), str(replicas), str(accumulate), objective]
        subprocess.run(command, check=True, capture_output=True)
        with np.load(folder / "weights.npz") as weights:
            return [weights[name] for name in weights.files]

    return run


@pytest.mark.thorough
def test_replicas_and_parts_make_no_difference(train):
    for one, other in zip(train(1, 1, "mlm"), train(2, 2, "mlm"), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.thorough
def test_replaced_tokens_learn_on_two_replicas(train):
    train(2, 2, "electra")
