"""Does a search find a better setting than the file's, where ten texts a class are labelled? And which tuner sooner?

    python experiments/benchmarks/search_pays.py --to runs/search_pays [--encoder ENCODER]

Random search has 20 trials of experiments/banking77_search.yaml; Hyperband then begins trials for as many seconds as
those took. The best setting of each and the file's own are trained with five seeds, which also draw other validation
rows, and tested on banking77's test rows. A paired t-test over the seeds compares each two, its p-values corrected by
Holm's procedure. What is complete is read, so that the same command goes on with what was killed.
"""

import argparse
import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from statistics import mean, stdev

from scipy.stats import ttest_rel

import tfdomain
from tfdomain.files import write_json
from tfdomain.metrics.significance import SIGNIFICANT, holm

EXPERIMENTS = Path(__file__).resolve().parent.parent
FILE = EXPERIMENTS / "banking77_search.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=Path("runs/search_pays"))
    parser.add_argument("--encoder", help="default: the experiment's own")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--rows-per-class", type=int, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    arguments = parser.parse_args()
    to = arguments.to.resolve()
    rows = to / "rows.csv"
    if not rows.is_file():
        run([EXPERIMENTS / "prepare_few_rows.py", "--rows-per-class", arguments.rows_per_class, "--to", rows])
    changes = [f"data.train={rows}"]
    if arguments.encoder is not None:
        changes.append(f"encoder={arguments.encoder}")

    tfdomain.tune(FILE, to / "random", assignments=[*changes, f"search.trials={arguments.trials}"])
    seconds = sum(trial["seconds"] for trial in trials(to / "random"))
    budget = ["search.tuner=hyperband", "search.trials=null", f"search.hours={seconds / 3600}"]
    tfdomain.tune(FILE, to / "hyperband", assignments=[*changes, *budget])

    settings = {"the file as it stands": (FILE, changes, to / "default")}
    settings |= {name: (to / name / "best.yaml", [], to / name / "best") for name in ("random", "hyperband")}
    figures = {
        name: [accuracy(file, [*made, f"training.seed={seed}"], folder / f"seed-{seed}") for seed in arguments.seeds]
        for name, (file, made, folder) in settings.items()
    }
    write_json(to / "figures.json", figures)
    print(table(figures))
    for name in ("random", "hyperband"):
        done = [trial for trial in trials(to / name) if trial["state"] == "completed"]
        best = json.loads((to / name / "metrics.json").read_text())["best"]
        number = [trial["trial"] for trial in done].index(best["trial"]) + 1
        seconds = [trial["seconds"] for trial in done]
        print(f"{name}: {len(done)} trials in {sum(seconds):.0f} s; best {best}")
        print(f"{name}: the best was trial {number} to end, after {sum(seconds[:number]):.0f} s")


def trials(folder: Path) -> list[dict]:
    """The search's lines."""
    return [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]


def accuracy(file: Path, changes: list[str], folder: Path) -> float:
    """The test accuracy of one run, each in a process that gives its memory back."""
    if not (folder / "metrics.json").is_file():
        resume = ["--resume"] if (folder / "config.yaml").is_file() else []
        sets = [word for change in changes for word in ("--set", change)]
        run(["-m", "tfdomain", "train", file, "--run-dir", folder, *sets, *resume])
    return json.loads((folder / "metrics.json").read_text())["test"]["accuracy"]


def run(words: list) -> None:
    """Runs Python with these arguments."""
    subprocess.run([sys.executable, *map(str, words)], check=True)


def p_value(first: list[float], second: list[float]) -> float:
    """Of a paired t-test; 1 where both tuners found the same setting."""
    return 1.0 if first == second else float(ttest_rel(second, first).pvalue)


def table(figures: dict[str, list[float]]) -> str:
    """Means, deviations and which differ, in Markdown."""
    lines = ["| setting | test accuracy, mean ± deviation | each seed |", "|---|---|---|"]
    for name, values in figures.items():
        each = ", ".join(f"{value:.3f}" for value in values)
        lines.append(f"| {name} | {mean(values):.4f} ± {stdev(values):.4f} | {each} |")
    lines += ["", "| | difference | p, Holm | |", "|---|---|---|---|"]
    pairs = list(combinations(figures, 2))
    p_values = holm([p_value(figures[first], figures[second]) for first, second in pairs])
    for (first, second), p in zip(pairs, p_values, strict=True):
        difference = mean(figures[second]) - mean(figures[first])
        verdict = "not distinguishable" if p >= SIGNIFICANT else "better" if difference > 0 else "worse"
        lines.append(f"| {second} against {first} | {difference:+.4f} | {p:.3f} | {verdict} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
