"""What users liked later, found by popularity, by an untrained encoder and by a trained one.

Each ranking is of all items but those that the user rated before the split. The folder of texts is what
experiments/prepare_movielens.py writes, the run what `tfdomain train experiments/movielens.yaml` does.

python experiments/benchmarks/movielens_retrieval.py runs/movielens_texts runs/movielens
"""

import argparse
import json
from pathlib import Path

import numpy as np

import tfdomain
from tfdomain.config import load_experiment
from tfdomain.metrics.retrieval import rank_items, retrieval_metrics

SHOWN = ("recall_at_10", "hit_rate_at_10", "mrr", "ndcg_at_10")
DEPTH = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path)
    parser.add_argument("run", type=Path, nargs="?", help="leave it out for the two baselines alone")
    parser.add_argument("--encoder", help="the untrained one; default: the run's own")
    arguments = parser.parse_args()
    items, users = (read(arguments.texts / f"{name}.jsonl") for name in ("items", "users"))
    places = {item["id"]: place for place, item in enumerate(items)}
    seen, liked = ([[places[each] for each in user[key]] for user in users] for key in ("seen", "liked"))

    popular = [places[each] for each in json.loads((arguments.texts / "popularity.json").read_text())]
    scores = np.zeros((len(users), len(items)), "float32")
    scores[:, popular] = -np.arange(len(popular))
    measured = {"popularity": measure(scores, seen, liked)}

    source = arguments.encoder or load_experiment(arguments.run / "config.yaml").encoder
    models = {"untrained encoder": lambda: tfdomain.TextEmbedder.from_pretrained(source)}
    if arguments.run is not None:
        models["trained encoder"] = lambda: tfdomain.load(arguments.run / "model")
    for name, make in models.items():
        model = make()
        vectors = [model.predict([row["text"] for row in rows], verbose=1) for rows in (users, items)]
        measured[name] = measure(vectors[0] @ vectors[1].T, seen, liked)

    print(f"{len(users):,} users, {len(items):,} items, {np.mean([len(each) for each in liked]):.1f} to find a user")
    print("| ranking | " + " | ".join(SHOWN) + " |\n|---|" + "---|" * len(SHOWN))
    for name, found in measured.items():
        print(f"| {name} | " + " | ".join(f"{found[key]:.4f}" for key in SHOWN) + " |")


def read(path: Path) -> list[dict]:
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def measure(scores: np.ndarray, seen: list[list[int]], liked: list[list[int]]) -> dict:
    for row, items in zip(scores, seen, strict=True):
        row[items] = -np.inf
    return retrieval_metrics(rank_items(scores, DEPTH), [set(items) for items in liked], ks=(10,))


if __name__ == "__main__":
    main()
