"""Runs a study of experiments/studies.yaml, or lists them all.

python experiments/study.py run banking77 [--to runs/banking77] [--set KEY=VALUE]
python experiments/study.py list            # writes experiments/README.md
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import yaml

from tfdomain.data.datasets import list_datasets
from tfdomain.files import whole_file

FOLDER = Path(__file__).resolve().parent
PAGE = FOLDER / "README.md"
HEAD = """# The studies

What each asks, of which data, and what came out. `python experiments/study.py list` writes it from
[studies.yaml](studies.yaml).
[RESULTS.md](RESULTS.md) is the log, with dates, commits and what failed. `make experiment NAME=banking77` runs one in
`runs/`, with what it needs first; the data stands in the folder that TFDOMAIN_DATA_DIR names (`tfdomain data fetch`).
What came out is of one seed where no spread is given. Minutes are of two cores that had other work, too.

| study | question | data and its licence | what came out | minutes |
|---|---|---|---|---|
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "list"])
    parser.add_argument("name", nargs="?", default="", help="of the study that is run")
    parser.add_argument("--to", type=Path, help="the run's folder; default: runs/NAME")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of tfdomain train")
    arguments = parser.parse_args()
    studies = yaml.safe_load((FOLDER / "studies.yaml").read_text(encoding="utf-8"))
    if arguments.what == "list":
        with whole_file(PAGE) as file:
            file.write(page(studies))
        return
    if arguments.name not in studies:
        sys.exit(f"error: no study {arguments.name!r}; the studies are {', '.join(studies)}")
    to = arguments.to or Path("runs") / arguments.name
    *first, own = commands(arguments.name, studies[arguments.name])
    for command in first:
        run(command, to, [])
    # A run that was interrupted goes on, and one that is complete says so.
    resumes = own[:2] in (["tfdomain", "train"], ["tfdomain", "pretrain"]) and (to / "config.yaml").is_file()
    run([*own, "--resume"] if resumes else own, to, arguments.set)


def commands(name: str, study: dict) -> list[list[str]]:
    """What is run, in order; the last one is the study itself."""
    own = study.get("command")
    if own is None:
        kind = "pretrain" if name.startswith("pretrain_") else "train"
        own = f"tfdomain {kind} experiments/{name}.yaml --run-dir to"
    return [shlex.split(command) for command in [*study.get("first", []), own]]


def run(command: list[str], to: Path, changes: list[str]) -> None:
    """Runs a command with the folders in the places of their names."""
    data = os.environ.get("TFDOMAIN_DATA_DIR")
    if data is None:
        sys.exit("error: TFDOMAIN_DATA_DIR: is not set; name the folder of the data sets")
    places = {"to": str(to), "data": data}
    program = {"tfdomain": [sys.executable, "-m", "tfdomain"], "python": [sys.executable]}[command[0]]
    rest = [re.sub(r"^(to|data)(?=/|$)", lambda found: places[found[0]], word) for word in command[1:]]
    filled = [*program, *rest, *(word for change in changes for word in ("--set", change))]
    print("$", shlex.join([command[0], *rest]), flush=True)
    # The command has told already what was wrong.
    if failed := subprocess.run(filled).returncode:
        sys.exit(failed)


def page(studies: dict[str, dict]) -> str:
    """experiments/README.md."""
    licences = {entry.name: entry.licence for entry in list_datasets()}
    lines = []
    for name, study in studies.items():
        data = "; ".join(f"{one} ({licences[one]})" for one in study["data"]) or "the bundled sample"
        cells = [f"[{name}]({name}.yaml)", study["question"], data, study.get("expected", "not run to its end yet")]
        lines.append(f"| {' | '.join(cells)} | {study.get('minutes', '')} |")
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
