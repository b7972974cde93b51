"""Checks that transformers' AutoModelForSequenceClassification loads a saved classifier and answers as it does.

In two steps, since torch and TensorFlow need no common environment. Where tfdomain is:

    python experiments/check_saved_classifier.py FOLDER --write EXPECTED.json

and where torch and transformers are:

    python experiments/check_saved_classifier.py FOLDER --compare EXPECTED.json

The exit code is 1 where a tensor is missing or left over, or a probability differs by more than 1e-4.
"""

import argparse
import json
import sys
from pathlib import Path

TEXTS = ["my car is lost", "we paid", "Please HELP with the money for school!", "a new job , a new house", "debt"]
TOLERANCE = 1e-4


def write(folder: Path, target: Path) -> int:
    import tfdomain

    model = tfdomain.load(folder)
    answers = {"max_length": model.max_length, "labels": model.labels, "scores": model.predict(TEXTS).tolist()}
    target.write_text(json.dumps(answers))
    return 0


def compare(folder: Path, expected_file: Path) -> int:
    import torch
    import transformers

    expected = json.loads(expected_file.read_text())
    model, report = transformers.AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    faults = {kind: sorted(map(str, names)) for kind, names in report.items() if names}
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(TEXTS, padding=True, truncation=True, max_length=expected["max_length"], return_tensors="pt")
    with torch.no_grad():
        scores = model.eval()(**batch).logits.softmax(-1)
    difference = float((scores - torch.tensor(expected["scores"])).abs().max())
    names = [model.config.id2label[number] for number in range(model.config.num_labels)]
    print(f"{folder}: {type(model).__name__}: {json.dumps(faults) if faults else 'every tensor has its place'}")
    print(f"labels {names}; largest difference of a probability {difference:.1e}")
    return 1 if faults or names != expected["labels"] or difference > TOLERANCE else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    step = parser.add_mutually_exclusive_group(required=True)
    step.add_argument("--write", type=Path, metavar="FILE")
    step.add_argument("--compare", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if arguments.write:
        return write(arguments.folder, arguments.write)
    return compare(arguments.folder, arguments.compare)


if __name__ == "__main__":
    sys.exit(main())
