"""Test ROC AUC of text, table and both on lendingclub, over seeds, beside logistic regression on the same rows.

    python experiments/prepare_lendingclub.py --to DATA
    python experiments/benchmarks/lendingclub_auc.py --data DATA --to runs/lendingclub

Each (setting, seed) is a run of experiments/lendingclub.yaml, kept in `--to`: what was measured is not measured again,
and a run that was killed goes on. `results.json` there holds every figure; a table and the same JSON are printed.
Logistic regression reads TF-IDF of words and word pairs, standardised numbers with flags for missing ones, and one-hot
categories.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tfdomain.config import Experiment, load_experiment
from tfdomain.files import read_json, write_json
from tfdomain.training.run import train

EXPERIMENT = Path(__file__).resolve().parent.parent / "lendingclub.yaml"
SETTINGS = {"text": ["data.features=[]"], "table": ["data.text=null"], "both": []}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of train.csv and test.csv")
    parser.add_argument("--to", type=Path, default=Path("runs/lendingclub"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of tfdomain train")
    arguments = parser.parse_args()
    data = arguments.data.resolve()
    files = [f"data.train={data / 'train.csv'}", f"data.test={data / 'test.csv'}"]
    results = arguments.to / "results.json"
    arguments.to.mkdir(parents=True, exist_ok=True)
    measured = read_json(results) if results.exists() else {}
    experiment = load_experiment(EXPERIMENT, files + arguments.set)
    for setting in SETTINGS:
        key = f"logistic regression, {setting}"
        if key not in measured:
            measured[key] = logistic_regression(experiment, setting)
            write_json(results, measured)
    for seed in arguments.seeds:
        for setting, overrides in SETTINGS.items():
            key = f"{setting}-{seed}"
            if key in measured:
                continue
            chosen = load_experiment(EXPERIMENT, [*files, *overrides, *arguments.set, f"training.seed={seed}"])
            folder, started = arguments.to / key, time.monotonic()
            metrics = train(chosen, folder, folder=EXPERIMENT.parent, resume=(folder / "config.yaml").exists())
            measured[key] = {
                "roc_auc": round(metrics["test"]["roc_auc"], 5),
                "pr_auc": round(metrics["test"]["pr_auc"], 5),
                "seconds": round(time.monotonic() - started),
            }
            write_json(results, measured)
    print_table(measured, arguments.seeds)
    print(json.dumps(measured))


def logistic_regression(experiment: Experiment, setting: str) -> dict[str, float]:
    """The figures of scikit-learn's logistic regression on the rows and columns of a setting."""
    data = experiment.data
    train_rows, test_rows = (pd.read_csv(path, dtype=str, keep_default_na=False) for path in (data.train, data.test))
    numbers = [name for name, kind in data.feature_kinds.items() if kind in ("numeric", "date")]
    for rows in (train_rows, test_rows):
        for name in numbers:
            is_date = data.feature_kinds[name] == "date"
            days = (pd.to_datetime(rows[name], errors="coerce") - pd.Timestamp(0)).dt.days if is_date else rows[name]
            rows[name] = pd.to_numeric(days, errors="coerce")
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=3, max_features=50_000, sublinear_tf=True)
    imputed = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    categories = [name for name in data.feature_kinds if name not in numbers]
    table = [("numbers", imputed, numbers), ("categories", OneHotEncoder(handle_unknown="ignore"), categories)]
    parts = {"text": [("words", words, data.text)], "table": table}
    parts["both"] = parts["text"] + parts["table"]
    model = make_pipeline(ColumnTransformer(parts[setting]), LogisticRegression(max_iter=2000))
    scores = model.fit(train_rows, train_rows[data.label]).predict_proba(test_rows)[:, 1]
    return {"roc_auc": round(float(roc_auc_score(test_rows[data.label] == "1", scores)), 5)}


def print_table(measured: dict, seeds: list[int]) -> None:
    print(f"{'setting':8} {'ROC AUC, mean':>14} {'by seed':28} {'logistic regression':>20}")
    for setting in SETTINGS:
        figures = [measured[f"{setting}-{seed}"]["roc_auc"] for seed in seeds]
        shown = " ".join(f"{figure:.4f}" for figure in figures)
        baseline = measured[f"logistic regression, {setting}"]["roc_auc"]
        print(f"{setting:8} {statistics.mean(figures):14.4f} {shown:28} {baseline:20.4f}")


if __name__ == "__main__":
    main()
