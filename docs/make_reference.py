"""Writes the API reference, HTML made of the docstrings; `make docs` runs it.

python docs/make_reference.py [--to docs/reference]
"""

import argparse
import pkgutil
import warnings
from pathlib import Path

import pdoc

import tfdomain

FOLDER = Path(__file__).resolve().parent / "reference"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=FOLDER)
    to = parser.parse_args().to
    # A name that is loaded on first use is not seen before it was used.
    for name in tfdomain.__all__:
        setattr(tfdomain, name, getattr(tfdomain, name))
    rooms = [f"tfdomain.{module.name}" for module in pkgutil.iter_modules(tfdomain.__path__) if module.name[0] != "_"]
    pdoc.render.configure(docformat="google", show_source=False, footer_text=f"tfdomain {tfdomain.__version__}")
    with warnings.catch_warnings():
        # What a docstring or a name lacks is mended, not shipped.
        warnings.simplefilter("error", UserWarning)
        pdoc.pdoc("tfdomain", *rooms, output_directory=to)
    print(to / "index.html")


if __name__ == "__main__":
    main()
