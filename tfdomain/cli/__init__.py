"""The command line: it parses, calls and prints; what it calls is in the package.

No module here imports TensorFlow, nor anything that imports it, at its top: `--help` must answer at once.
"""

from tfdomain.cli.application import app, main

__all__ = ["app", "main"]
