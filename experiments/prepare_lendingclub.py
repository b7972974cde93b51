"""Makes the training and the test file of experiments/lendingclub.yaml, split in time.

    python experiments/prepare_lendingclub.py --to FOLDER

It reads lendingclub/lendingclub_2007_2011.csv.gz of TFDOMAIN_DATA_DIR. `train.csv` holds a seeded sample of the loans
issued in 2010 and before, `test.csv` all of 2011. All rows count, those without a description too: more than a fifth
of the sample and two fifths of 2011 have none. Every column is kept, leaks included, for the experiment to refuse. Out
of the descriptions go the marks that the site put in, and that tell the year: `Borrower added on 12/31/10 >`, `<br/>`.
"""

import argparse
import json
import os
from pathlib import Path

import pandas as pd

SOURCE = "lendingclub/lendingclub_2007_2011.csv.gz"
MARKS = r"(?:Borrower|\d+) added on \d\d/\d\d/\d\d\s*>|<\s*/?\s*br\s*/?\s*>"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=8000, help="rows to train on")
    parser.add_argument("--test-rows", type=int, help="a sample of the test rows; default: all")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    source = Path(os.environ.get("TFDOMAIN_DATA_DIR", ".")) / SOURCE
    # As text: what stands in a cell is the model's affair.
    loans = pd.read_csv(source, dtype=str, keep_default_na=False)
    loans["desc"] = loans["desc"].str.replace(MARKS, " ", regex=True).str.split().str.join(" ")
    early, late = loans[loans["issue_d"] < "2011"], loans[loans["issue_d"] >= "2011"]
    parts = {"train": early.sample(arguments.rows, random_state=arguments.seed), "test": late}
    if arguments.test_rows is not None:
        parts["test"] = late.sample(arguments.test_rows, random_state=arguments.seed)
    arguments.to.mkdir(parents=True, exist_ok=True)
    for name, part in parts.items():
        part.sort_index().to_csv(arguments.to / f"{name}.csv", index=False)
    counts = {
        name: {
            "rows": len(part),
            "is_bad_rate": round((part["is_bad"] == "1").mean(), 4),
            "with_text_rate": round((part["desc"] != "").mean(), 4),
            "issued": [part["issue_d"].min(), part["issue_d"].max()],
        }
        for name, part in parts.items()
    }
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
