"""How hard is the bundled sample? Word counts with logistic regression against it; prints JSON.

    python experiments/benchmarks/sample_baseline.py

The figures of `tfdomain/samples/DATA_CARD.md` come from here. `test_auc` learns from the training file and
judges the test file; `cross_validated_auc` is the mean over five stratified folds of both files together.
`amount_to_income_auc` ranks by one number of the table, with nothing learned and no text read.
"""

import json

import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from tfdomain.samples import sample_path


def measure() -> dict:
    train, test = (pd.read_csv(sample_path(f"loan_applications_{part}.csv")) for part in ("train", "test"))
    whole = pd.concat([train, test]).sort_values("application_id")
    defaulted = whole["status"] == "default"
    words = whole["reason"].str.split().str.len()
    # scikit-learn's own defaults: a baseline that was tuned would say less about the texts.
    model = make_pipeline(TfidfVectorizer(), LogisticRegression())
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    by_fold = cross_val_score(model, whole["reason"], defaulted, cv=folds, scoring="roc_auc")
    scores = model.fit(train["reason"], train["status"] == "default").predict_proba(test["reason"])[:, 1]
    return {
        "rows": {"train": len(train), "test": len(test)},
        "defaulted": {
            "train": int((train["status"] == "default").sum()),
            "test": int((test["status"] == "default").sum()),
        },
        "default_rate": round(float(defaulted.mean()), 4),
        "words": {"fewest": int(words.min()), "median": float(words.median()), "most": int(words.max())},
        "test_auc": round(float(roc_auc_score(test["status"] == "default", scores)), 4),
        "cross_validated_auc": round(float(by_fold.mean()), 4),
        "amount_to_income_auc": round(float(roc_auc_score(defaulted, whole["amount"] / whole["annual_income"])), 4),
    }


if __name__ == "__main__":
    print(json.dumps(measure()))
