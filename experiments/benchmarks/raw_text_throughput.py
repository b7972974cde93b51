"""Raw text to label: an exported SavedModel against ONNX Runtime with the Rust tokenizer, same weights; JSON.

    python -m venv PEER && PEER/bin/pip install torch==2.13.0 transformers onnx onnxscript onnxruntime
    TFDOMAIN_DATA_DIR=... python experiments/benchmarks/raw_text_throughput.py --peer PEER/bin/python --encoder ENCODER

A classifier of 77 intents with a random head is exported by `tfdomain` and, from its folder in the Hugging Face layout,
by `torch.onnx`. Both then answer the test texts of banking77, shuffled, in batches of 64 and one by one. ONNX Runtime
has all its graph optimizations, and each of its figures comes from the number of threads, 1 or `--threads`, that served
it best; `sorted` is the same session given each batch in four slices of like length, as a careful client would write
it. The SavedModel is loaded without tfdomain, with the threads that docs/serving.md advises. The sides take turns, each
round in new processes and another order of the texts; other batches than those measured have warmed them up.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parents[2]

# What both sides do: `answer(texts)` gives probabilities `[n, classes]`.
MEASURE = """
import json, os, sys, time
import numpy as np

folder, round_number, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
texts = json.load(open(folder + "/texts.json"))[: int(sys.argv[5])]

def shuffled(seed):
    return [texts[place] for place in np.random.default_rng(seed).permutation(len(texts))]

def measure(answer):
    warm, timed = shuffled(1000 + round_number), shuffled(round_number)
    for start in range(0, len(warm), 64):
        answer(warm[start : start + 64])
    started = time.perf_counter()
    for start in range(0, len(timed), 64):
        answer(timed[start : start + 64])
    texts_per_second = len(timed) / (time.perf_counter() - started)
    for text in warm[:500]:
        answer([text])
    seconds = []
    for text in timed[:1000]:
        started = time.perf_counter()
        answer([text])
        seconds.append(time.perf_counter() - started)
    p50, p99 = (1000 * float(np.quantile(seconds, share)) for share in (0.5, 0.99))
    return {"texts_per_second": texts_per_second, "p50_ms": p50, "p99_ms": p99}
"""

OURS = """
import tensorflow as tf, tensorflow_text
tf.config.threading.set_intra_op_parallelism_threads(threads)
tf.config.threading.set_inter_op_parallelism_threads(int(sys.argv[4]))
served = tf.saved_model.load(folder + "/served/1")
signature = served.signatures["serving_default"]

def answer(batch):
    found = signature(text=tf.constant(batch))
    found["label"].numpy()
    return found["scores"].numpy()

np.save(folder + "/ours.npy", np.concatenate([answer(texts[first : first + 64]) for first in range(0, 640, 64)]))
print(json.dumps({"ours": measure(answer)}))
"""

PEERS = """
import onnxruntime
from tokenizers import Tokenizer
tokenizer = Tokenizer.from_file(folder + "/model/tokenizer.json")
tokenizer.enable_truncation(128)
tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
labels = np.array(json.load(open(folder + "/labels.json")))
found = {}
for count in sorted({1, threads}):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = count
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(folder + "/model.onnx", options, providers=["CPUExecutionProvider"])

    def run(encoded):
        feeds = {
            "input_ids": np.array([each.ids for each in encoded]),
            "attention_mask": np.array([each.attention_mask for each in encoded]),
            "token_type_ids": np.array([each.type_ids for each in encoded]),
        }
        return session.run(None, feeds)[0]

    def answer(batch):
        scores = run(tokenizer.encode_batch(batch))
        labels[scores.argmax(axis=1)]
        return scores

    def answer_sorted(batch):
        tokenizer.no_padding()
        encoded = tokenizer.encode_batch(batch)
        order = sorted(range(len(batch)), key=lambda row: len(encoded[row].ids))
        scores = np.empty([len(batch), len(labels)], np.float32)
        for rows in filter(len, np.array_split(order, 4)):
            chosen = [encoded[row] for row in rows]
            for each in chosen:
                each.pad(len(chosen[-1].ids), pad_id=0, pad_token="[PAD]")
            scores[rows] = run(chosen)
        tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
        labels[scores.argmax(axis=1)]
        return scores

    np.save(folder + "/peer.npy", np.concatenate([answer(texts[first : first + 64]) for first in range(0, 640, 64)]))
    assert np.allclose(answer_sorted(texts[:64]), answer(texts[:64]), atol=1e-5)
    for name, function in {"peer": answer, "sorted": answer_sorted}.items():
        measured = measure(function) | {"threads": count}
        best = found.setdefault(name, dict(measured))
        best["texts_per_second"] = max(best["texts_per_second"], measured["texts_per_second"])
        if measured["p50_ms"] < best["p50_ms"]:
            best |= {key: measured[key] for key in ("p50_ms", "p99_ms")}
print(json.dumps(found))
"""

EXPORT = """
import sys
import torch
from transformers import AutoModelForSequenceClassification
folder = sys.argv[1]
model = AutoModelForSequenceClassification.from_pretrained(folder + "/model", attn_implementation="eager").eval()

class Probabilities(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        found = self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
        return found.logits.softmax(-1)

names = ["input_ids", "attention_mask", "token_type_ids"]
sample = tuple(torch.ones([2, 9], dtype=torch.long) for _ in names)
sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=512)}
torch.onnx.export(
    Probabilities(), sample, folder + "/model.onnx", input_names=names, dynamo=True, external_data=False,
    dynamic_shapes=(sizes, sizes, sizes), opset_version=18,
)
"""


def write_models(encoder: str, folder: Path) -> None:
    """The classifier in the Hugging Face layout and as a SavedModel, and the texts."""
    from tfdomain import TextClassifier

    with open(Path(os.environ["TFDOMAIN_DATA_DIR"]) / "banking77" / "test.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    labels = sorted({row["category"] for row in rows})
    model = TextClassifier.from_pretrained(encoder, labels=labels, max_length=128)
    # A fresh head gives all texts the same: this one tells them apart.
    weights = np.random.default_rng(0).normal(0, 0.5, model.head.kernel.shape)
    model.head.set_weights([weights, np.zeros(len(labels))])
    model.save(folder / "model")
    model.export(folder / "served")
    (folder / "texts.json").write_text(json.dumps([row["text"] for row in rows]))
    (folder / "labels.json").write_text(json.dumps(labels))


def run(command: list[str]) -> str:
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "HF_HUB_OFFLINE": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return done.stdout


def spread(runs: list[dict[str, float]], key: str) -> list[float]:
    return [round(each[key], 2) for each in runs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", required=True, metavar="PYTHON", help="with torch, transformers, onnx, onnxruntime")
    parser.add_argument("--encoder", required=True, help="the folder of a checkpoint with a pooler")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of either side's operations")
    parser.add_argument("--inter", type=int, default=1, help="operations of ours that run side by side")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--texts", type=int, default=3080, help="how many of the test texts, at least 640")
    parser.add_argument("--write", metavar="FOLDER", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.write:
        write_models(arguments.encoder, Path(arguments.write))
        return
    found: dict[str, list[dict[str, float]]] = {"ours": [], "peer": [], "sorted": []}
    with tempfile.TemporaryDirectory(prefix="tfdomain-") as folder:
        given = ["--peer", arguments.peer, "--encoder", arguments.encoder]
        run([sys.executable, __file__, *given, "--write", folder])
        run([arguments.peer, "-c", EXPORT, folder])
        sides = {
            "ours": [sys.executable, "-c", MEASURE + OURS],
            "peer": [arguments.peer, "-c", MEASURE + PEERS],
        }
        for turn in range(arguments.rounds):
            for command in list(sides.values())[:: 1 if turn % 2 else -1]:
                numbers = (turn, arguments.threads, arguments.inter, arguments.texts)
                options = [folder, *map(str, numbers)]
                for name, measured in json.loads(run([*command, *options]).splitlines()[-1]).items():
                    found[name].append(measured)
        ours, peers = (np.load(f"{folder}/{name}.npy") for name in ("ours", "peer"))
    keys = ("texts_per_second", "p50_ms", "p99_ms")
    medians = {name: {key: statistics.median(spread(runs, key)) for key in keys} for name, runs in found.items()}
    result = {
        "threads": arguments.threads,
        "rounds": arguments.rounds,
        "largest_difference": float(np.abs(ours - peers).max()),
        "medians": medians,
        "throughput_ratio": {
            name: round(medians["ours"]["texts_per_second"] / medians[name]["texts_per_second"], 3)
            for name in ("peer", "sorted")
        },
        "latency_ratio": round(medians["ours"]["p50_ms"] / medians["peer"]["p50_ms"], 3),
        "all": {name: {key: spread(runs, key) for key in keys} for name, runs in found.items()},
    }
    if result["largest_difference"] > 1e-4:
        raise SystemExit(f"the sides answer differently: {result}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
