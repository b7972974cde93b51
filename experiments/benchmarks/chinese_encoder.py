"""What a Chinese encoder knows of its pretraining: the same encoder untrained beside it, and a linear model on TF-IDF.

    tfdomain pretrain experiments/pretrain_chinese.yaml --run-dir runs/pretrain_chinese
    python experiments/benchmarks/chinese_encoder.py --pretrained runs/pretrain_chinese --to runs/chinese_encoder

The tasks are the sentiment of reviews (zh_chnsenticorp) and whether two patients ask the same (zh_medical_pairs). A
cell (task, encoder, seed) is a run; one that is complete is read, one that was killed goes on. The linear model is
scikit-learn's logistic regression on characters and runs of two and three; of a pair it sees the products and the
absolute differences of both texts' weights. How much it is regularized is chosen on the validation rows.
"""

import argparse
import json
from pathlib import Path
from statistics import mean

from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from tfdomain.config import ClassificationData, load_experiment
from tfdomain.config.sections import Files
from tfdomain.data.paths import find_files
from tfdomain.data.rows import Rows, read_rows
from tfdomain.encoders.checkpoints import save_checkpoint
from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.files import write_json
from tfdomain.training.run import train

EXPERIMENTS = Path(__file__).resolve().parent.parent
TASKS = ("zh_chnsenticorp", "zh_medical_pairs")
STRENGTHS = (0.3, 1, 3, 10, 30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pretrained", type=Path, required=True, help="the run of pretrain_chinese.yaml")
    parser.add_argument("--to", type=Path, default=Path("runs/chinese_encoder"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    pretrained = (arguments.pretrained / "model").resolve()
    encoders = {"pretrained": pretrained, "untrained": untrained(pretrained, (arguments.to / "encoder").resolve())}
    figures = {}
    for task in TASKS:
        figures[task] = {
            kind: [measure(task, encoder, seed, arguments.to / kind) for seed in arguments.seeds]
            for kind, encoder in encoders.items()
        }
        figures[task]["tfidf"] = [linear_model(task)]
    write_json(arguments.to / "figures.json", figures)
    print(table(figures))
    print(json.dumps(figures))


def untrained(pretrained: Path, to: Path) -> Path:
    """An encoder of the same sizes and vocabulary with weights at random."""
    if not (to / "config.json").is_file():
        config = Encoder.from_pretrained(pretrained).config
        to.mkdir(parents=True, exist_ok=True)
        Tokenizer.from_pretrained(pretrained).save(to)
        save_checkpoint(Encoder(config, pooler=False, seed=0), to)
    return to


def measure(task: str, encoder: Path, seed: int, to: Path) -> float:
    """The test accuracy of one cell."""
    folder, file = to / f"{task}-{seed}", EXPERIMENTS / f"{task}.yaml"
    experiment = load_experiment(file, [f"encoder={encoder}", f"training.seed={seed}"])
    metrics = train(experiment, folder, folder=file.parent, resume=(folder / "config.yaml").exists())
    return metrics["test"]["accuracy"]


def linear_model(task: str) -> float:
    """The test accuracy of logistic regression on TF-IDF."""
    data = load_experiment(EXPERIMENTS / f"{task}.yaml").data
    parts = {name: read_part(data, getattr(data, name)) for name in ("train", "validation", "test")}
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2, sublinear_tf=True)
    vectorizer.fit([text for column in parts["train"].texts for text in column.to_pylist()])
    seen = {name: features(vectorizer, rows) for name, rows in parts.items()}
    labels = {name: rows.labels.to_pylist() for name, rows in parts.items()}
    models = [
        LogisticRegression(C=strength, max_iter=1000).fit(seen["train"], labels["train"]) for strength in STRENGTHS
    ]
    best = max(models, key=lambda model: model.score(seen["validation"], labels["validation"]))
    return float(best.score(seen["test"], labels["test"]))


def read_part(data: ClassificationData, files: Files) -> Rows:
    """The rows that a run would read."""
    return read_rows(find_files(files), texts=data.text_columns, label=data.label, column_names=data.column_names)


def features(vectorizer: TfidfVectorizer, rows: Rows):
    """What the linear model sees, sparse `[rows, features]`."""
    weights = [vectorizer.transform(column.to_pylist()) for column in rows.texts]
    if len(weights) == 1:
        return weights[0]
    return hstack([weights[0].multiply(weights[1]), abs(weights[0] - weights[1])]).tocsr()


def table(figures: dict[str, dict[str, list[float]]]) -> str:
    """Mean accuracies in Markdown, with the range over seeds."""
    lines = ["| task | pretrained | untrained | TF-IDF, linear |", "|---|---|---|---|"]
    for task, kinds in figures.items():
        cells = [
            f"{mean(values):.4f}" + (f" ({min(values):.4f} to {max(values):.4f})" if len(values) > 1 else "")
            for values in (kinds["pretrained"], kinds["untrained"], kinds["tfidf"])
        ]
        lines.append(f"| {task} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
