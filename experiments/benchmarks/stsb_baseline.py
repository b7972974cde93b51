"""Spearman on STS-B's test pairs: an untrained encoder's cosine beside a trained run; prints JSON.

python experiments/benchmarks/stsb_baseline.py --run runs/stsb --language en
"""

import argparse
import json
from pathlib import Path

import numpy as np

from tfdomain import TextRegressor
from tfdomain.data.registry import load
from tfdomain.data.targets import target_values
from tfdomain.metrics.regression import regression_metrics

ENCODER = "sentence-transformers/all-MiniLM-L6-v2"


def cosine(encoder: str, first: list[str], second: list[str]) -> np.ndarray:
    """The cosine of the encoder's mean-pooled vectors of each pair, float32 `[n, 1]`."""
    model = TextRegressor.from_pretrained(encoder, pooling="mean")
    sides = []
    for texts in (first, second):
        batches = [model.embed(model.tokenizer(texts[start : start + 64])) for start in range(0, len(texts), 64)]
        vectors = np.concatenate(batches)
        sides.append(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    return (sides[0] * sides[1]).sum(axis=1, keepdims=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default=ENCODER)
    parser.add_argument("--language", choices=["en", "zh"], default="en")
    parser.add_argument("--run", type=Path, help="a run of stsb.yaml, shown beside it")
    arguments = parser.parse_args()
    rows = load("stsb_en_zh", f"{arguments.language}_test")
    first, second = rows["text"].to_pylist(), rows["text_pair"].to_pylist()
    true = target_values([rows["score"]], ["score"]).values
    measured = regression_metrics(true, cosine(arguments.encoder, first, second), ["cosine"])
    figures = {"pairs": len(true), "untrained_cosine": {name: measured[name] for name in ("spearman", "pearson")}}
    if arguments.run is not None:
        test = json.loads((arguments.run / "metrics.json").read_text(encoding="utf-8"))["test"]
        figures["run"] = {name: test[name] for name in ("spearman", "pearson", "mae")}
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
