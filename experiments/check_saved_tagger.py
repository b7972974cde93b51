"""Checks that transformers' AutoModelForTokenClassification loads a saved tagger and scores tags as it does.

In two steps, since torch and TensorFlow need no common environment. Where tfdomain is:

    python experiments/check_saved_tagger.py FOLDER --write EXPECTED.json

and where torch and transformers are:

    python experiments/check_saved_tagger.py FOLDER --compare EXPECTED.json

The tagger has a softmax. The exit code is 1 where a tensor is missing or left over, but for the pooler that
transformers' taggers do without, or a score differs by more than 1e-4.
"""

import argparse
import json
import sys
from pathlib import Path

TEXTS = ["my car is lost", "we paid", "Please HELP with the money for school!", "a new job , a new house", "debt"]
TOLERANCE = 1e-4


def write(folder: Path, target: Path) -> int:
    import tensorflow as tf

    import tfdomain

    model = tfdomain.load(folder)
    batch = model.prepare({"text": tf.constant(TEXTS)})
    scores, units = model(batch, logits=True), model.units(batch)
    rows = [
        {
            "tokens": units.tokens[row][units.mask[row]].numpy().tolist(),
            "scores": scores[row][units.mask[row]].numpy().tolist(),
        }
        for row in range(len(TEXTS))
    ]
    target.write_text(json.dumps({"tags": list(model.tags), "rows": rows}))
    return 0


def compare(folder: Path, expected_file: Path) -> int:
    import torch
    import transformers

    expected = json.loads(expected_file.read_text())
    model, report = transformers.AutoModelForTokenClassification.from_pretrained(folder, output_loading_info=True)
    found = {kind: sorted(name for name in map(str, names) if "pooler" not in name) for kind, names in report.items()}
    faults = {kind: names for kind, names in found.items() if names}
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        scores = model.eval()(**batch).logits
    difference = max(
        float((scores[row][one["tokens"]] - torch.tensor(one["scores"])).abs().max())
        for row, one in enumerate(expected["rows"])
    )
    tags = [model.config.id2label[number] for number in range(model.config.num_labels)]
    print(f"{folder}: {type(model).__name__}: {json.dumps(faults) if faults else 'every tensor has its place'}")
    print(f"tags {tags}; largest difference of a score {difference:.1e}")
    return 1 if faults or tags != expected["tags"] or difference > TOLERANCE else 0


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
