"""Writes the stored folders that every later release must keep loading, and their predictions.

    python experiments/make_release_fixture.py tests/models/fixtures/release-0.1

Run it once a release, with that release; never again for a release that is out. The checkpoint is the
random one of `tests/conftest.py`, the model is trained for a few steps on it, so that no weight is trivial.
"""

import argparse
import runpy
import sys
import tempfile
from pathlib import Path

from tfdomain import TextClassifier
from tfdomain.files import write_json

TEXTS = ["my car is lost", "we paid", "", "please help with the money for school!", "Crème brûlée [SEP] 中文 ﬁ"]
PAIRS = ["is it new ?", "", "no", "the bank", "[CLS]"]
MODELS = {
    "cls": {"labels": ["default", "repaid"]},
    "mean": {"labels": ["straße", "b", 'with "quotes"'], "pooling": "mean", "max_length": 24, "pairs": True},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    if folder.exists():
        print(f"{folder} exists: a stored release is never written again", file=sys.stderr)
        return 2
    write_checkpoint = runpy.run_path(str(Path(__file__).parents[1] / "tests/conftest.py"))["write_tiny_checkpoint"]
    expected = {}
    with tempfile.TemporaryDirectory() as temporary:
        checkpoint = write_checkpoint(Path(temporary) / "checkpoint", num_hidden_layers=1)
        for name, settings in MODELS.items():
            model = TextClassifier.from_pretrained(str(checkpoint), **settings)
            inputs = (TEXTS, PAIRS) if model.pairs else TEXTS
            labels = [model.labels[place % len(model.labels)] for place in range(len(TEXTS))]
            model.fit(inputs, labels, epochs=4, batch_size=2, learning_rate=0.01, verbose=0)
            model.save(folder / name, text=["reason"], label="status")
            expected[name] = model.predict(inputs).tolist()
    write_json(folder / "predictions.json", {"texts": TEXTS, "pairs": PAIRS, "predictions": expected})
    return 0


if __name__ == "__main__":
    sys.exit(main())
