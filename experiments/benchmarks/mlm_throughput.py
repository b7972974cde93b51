"""Tokens per second of masked-language-model training against the PyTorch Trainer, same model and corpus; JSON.

    python -m venv PEER && PEER/bin/pip install torch==2.13.0 transformers accelerate datasets
    python experiments/prepare_corpora.py FOLDER
    python experiments/benchmarks/mlm_throughput.py --peer PEER/bin/python --encoder ENCODER \\
        --corpus FOLDER/prepared/corpora/finance.txt

The peer joins the documents, cuts them into blocks of 128 tokens, as the library's own example does, and hides tokens
with its `DataCollatorForLanguageModeling`; ours packs documents with borders that attention does not cross, and hides
whole words. Both train all of the encoder and the head with AdamW, in float32, in batches of 32 rows, and are timed
from the eleventh update on. The sides take turns, each round in new processes. What counts is tokens of text, without
padding; ours has some.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
LENGTH, BATCH, WARM_UP = 128, 32, 10

PEERS = """
import json, sys, time
import torch, transformers
from datasets import Dataset
from transformers import AutoModelForMaskedLM, AutoTokenizer, DataCollatorForLanguageModeling
from transformers import Trainer, TrainingArguments

corpus, encoder, folder, steps = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
LENGTH, BATCH, WARM_UP = 128, 32, 10
tokenizer = AutoTokenizer.from_pretrained(encoder)
documents = [line for line in open(corpus, encoding="utf-8")][: 40 * steps]
joined = [token for ids in tokenizer(documents, return_special_tokens_mask=False)["input_ids"] for token in ids]
blocks = [joined[first : first + LENGTH] for first in range(0, len(joined) - LENGTH, LENGTH)][: BATCH * steps]
class Clock(transformers.TrainerCallback):
    def on_step_end(self, arguments, state, control, **more):
        if state.global_step == WARM_UP:
            self.started = time.perf_counter()
        self.ended = time.perf_counter()
clock = Clock()
arguments = TrainingArguments(
    folder, per_device_train_batch_size=BATCH, max_steps=steps, learning_rate=1e-4, weight_decay=0.01,
    save_strategy="no", report_to=[], disable_tqdm=True, logging_strategy="no", use_cpu=True, dataloader_num_workers=0,
)
trainer = Trainer(
    model=AutoModelForMaskedLM.from_pretrained(encoder), args=arguments, callbacks=[clock],
    train_dataset=Dataset.from_dict({"input_ids": blocks, "attention_mask": [[1] * LENGTH] * len(blocks)}),
    data_collator=DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15),
)
loss = trainer.train().training_loss
speed = (steps - WARM_UP) * BATCH * LENGTH / (clock.ended - clock.started)
print(json.dumps({"tokens_per_second": speed, "loss": loss}))
"""


def ours(corpus: Path, encoder: str, folder: Path, steps: int) -> dict[str, float]:
    """Trains in this process."""
    import keras
    import numpy as np
    import pyarrow as pa

    from tfdomain.config.pretraining import PretrainingOptions
    from tfdomain.models.masked_lm import MaskedLM
    from tfdomain.pretraining.batches import PackedBatches
    from tfdomain.pretraining.masking import Masking
    from tfdomain.pretraining.token_store import write_token_store

    with corpus.open(encoding="utf-8") as file:
        documents = [line.rstrip("\n") for line in file][: 40 * steps]
    model = MaskedLM.from_pretrained(encoder, max_length=LENGTH)
    store = write_token_store(pa.chunked_array([documents]), model.tokenizer, folder / "tokens")
    source = PackedBatches(
        store,
        model.tokenizer,
        np.arange(store.num_documents),
        hide=Masking(model.tokenizer),
        length=LENGTH,
        batch_size=BATCH,
    )

    class Clock(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.tokens, self.losses = 0.0, []

        def on_train_batch_end(self, batch, logs=None):
            self.losses.append(logs["loss"])
            self.ended = time.perf_counter()
            if batch + 1 == WARM_UP:
                self.started = self.ended
            if batch + 1 > WARM_UP:
                self.tokens += BATCH * LENGTH * (1 - logs["padding_share"])
            if batch + 1 == steps:
                self.model.stop_training = True

    clock = Clock()
    model.prepare_training(PretrainingOptions(epochs=1), source.num_batches)
    model.fit_batches(source, callbacks=[clock], verbose=0)
    assert len(clock.losses) == steps, f"the corpus has {len(clock.losses)} batches only"
    return {"tokens_per_second": clock.tokens / (clock.ended - clock.started), "loss": statistics.mean(clock.losses)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--peer", metavar="PYTHON", help="an interpreter with torch, transformers, accelerate, datasets"
    )
    parser.add_argument("--encoder", required=True, help="the folder of a checkpoint")
    parser.add_argument("--corpus", type=Path, required=True, help="a document a line")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        with tempfile.TemporaryDirectory(prefix="tfdomain-") as folder:
            print(json.dumps(ours(arguments.corpus, arguments.encoder, Path(folder), arguments.steps)))
        return
    given = ["--encoder", arguments.encoder, "--corpus", str(arguments.corpus), "--steps", str(arguments.steps)]
    found: dict[str, list[dict[str, float]]] = {"ours": [], "trainer": []}
    with tempfile.TemporaryDirectory(prefix="tfdomain-") as folder:
        script = Path(folder) / "peer.py"
        script.write_text(PEERS)
        peer = [arguments.peer, str(script), str(arguments.corpus), arguments.encoder, folder, str(arguments.steps)]
        sides = {"ours": [sys.executable, __file__, "--one", *given], "trainer": peer}
        for turn in range(arguments.rounds):
            for name, command in list(sides.items())[:: 1 if turn % 2 else -1]:
                environment = os.environ | {"PYTHONPATH": str(PROJECT), "HF_HUB_OFFLINE": "1"}
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise SystemExit(done.stderr[-3000:])
                found[name].append(json.loads(done.stdout.splitlines()[-1]))
    speeds = {name: [each["tokens_per_second"] for each in runs] for name, runs in found.items()}
    medians = {name: statistics.median(each) for name, each in speeds.items()}
    result = {
        "medians": {name: round(each) for name, each in medians.items()},
        "ratio": round(medians["ours"] / medians["trainer"], 3),
        "all": {name: [round(speed) for speed in each] for name, each in speeds.items()},
        "mean_loss": {name: round(statistics.mean(each["loss"] for each in runs), 3) for name, runs in found.items()},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
