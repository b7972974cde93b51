"""Checks that transformers' PyTorch classes load a saved folder with no tensor missing and none left over.

Needs an environment of its own with torch and transformers, where tfdomain need not be installed:

    python experiments/check_saved_checkpoint.py FOLDER

The class is the one that the folder's `config.json` names; the exit code is 1 where the folder does not fit it.
"""

import argparse
import json
import sys
from pathlib import Path

import transformers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    name = json.loads((folder / "config.json").read_text())["architectures"][0]
    _, report = getattr(transformers, name).from_pretrained(folder, output_loading_info=True)
    faults = {kind: sorted(map(str, names)) for kind, names in report.items() if names}
    print(f"{folder}: {name}: {json.dumps(faults) if faults else 'every tensor has its place'}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
