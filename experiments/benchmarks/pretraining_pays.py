"""Does pretraining on a field's or a task's texts pay? Fine-tunes from both encoders over seeds, and tests it.

    tfdomain pretrain experiments/pretrain_finance.yaml --run-dir runs/pretrain_finance
    tfdomain pretrain experiments/pretrain_banking77.yaml --run-dir runs/pretrain_banking77
    tfdomain pretrain experiments/pretrain_ncbi_disease.yaml --run-dir runs/pretrain_ncbi_disease
    python experiments/benchmarks/pretraining_pays.py --pretrained runs --to runs/pretraining_pays

The comparisons were listed before any of them was run: financial_phrasebank from the encoder that read the minutes
(domain), banking77 with 5 and with 10 rows a class from the one that read its training texts (task), and ncbi_disease
likewise (task). A cell (comparison, encoder, seed) is a run; one that is complete is read, one that was killed goes on.
The plain encoder and the pretrained one have the same seeds, so that a paired t-test compares them; its p-values are
corrected by Holm's procedure, and a difference is called one where the corrected p is below 0.05.
"""

import argparse
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev

from scipy.stats import ttest_rel

from tfdomain.config import load_experiment
from tfdomain.files import write_json
from tfdomain.metrics.significance import SIGNIFICANT, holm
from tfdomain.training.run import train

EXPERIMENTS = Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A task that is trained for from two encoders.

    Attributes:
        experiment: The file's name.
        pretrained: The name of the pretraining's run.
        metric: What the test is measured by.
        rows_per_class: How many training rows of each class are drawn, by the seed; None: all of them.
    """

    experiment: str
    pretrained: str
    metric: str
    rows_per_class: int | None = None


COMPARISONS = {
    "financial_phrasebank, domain": Comparison("financial_phrasebank", "pretrain_finance", "macro_f1"),
    "banking77 with 5 rows a class, task": Comparison("banking77", "pretrain_banking77", "accuracy", 5),
    "banking77 with 10 rows a class, task": Comparison("banking77", "pretrain_banking77", "accuracy", 10),
    "ncbi_disease, task": Comparison("ncbi_disease", "pretrain_ncbi_disease", "entity_f1"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pretrained", type=Path, required=True, help="the folder of the three pretraining runs")
    parser.add_argument("--to", type=Path, default=Path("runs/pretraining_pays"))
    parser.add_argument("--encoder", help="the plain encoder; default: the experiments' own")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--only", help="comparisons whose name holds this")
    arguments = parser.parse_args()
    chosen = {name: one for name, one in COMPARISONS.items() if (arguments.only or "") in name}
    figures = {}
    for name, comparison in chosen.items():
        plain = [] if arguments.encoder is None else [f"encoder={arguments.encoder}"]
        adapted = [f"encoder={(arguments.pretrained / comparison.pretrained / 'model').resolve()}"]
        figures[name] = {
            kind: [measure(comparison, encoder, seed, arguments.to / kind) for seed in arguments.seeds]
            for kind, encoder in (("plain", plain), ("pretrained", adapted))
        }
    write_json(arguments.to / "figures.json", figures)
    print(table(figures))
    print(json.dumps(figures))


def measure(comparison: Comparison, encoder: list[str], seed: int, to: Path) -> float:
    """The test's figure of one cell."""
    shots = comparison.rows_per_class
    folder = to / f"{comparison.experiment}{shots or ''}-{seed}"
    changes = [*encoder, f"training.seed={seed}"]
    if shots is not None:
        # Few rows, and as many passes that the updates do not become few too.
        changes += [f"data.train={few_rows(shots, seed, to)}", "data.validation=null", "training.epochs=20"]
    file = EXPERIMENTS / f"{comparison.experiment}.yaml"
    experiment = load_experiment(file, changes)
    metrics = train(experiment, folder, folder=file.parent, resume=(folder / "config.yaml").exists())
    return metrics["test"][comparison.metric]


def few_rows(shots: int, seed: int, to: Path) -> Path:
    """Some training rows of each class of banking77, drawn by the seed."""
    path = (to.parent / "rows" / f"banking77-{shots}-{seed}.csv").resolve()
    if not path.is_file():
        options = ["--rows-per-class", str(shots), "--seed", str(seed), "--to", str(path)]
        subprocess.run([sys.executable, str(EXPERIMENTS / "prepare_few_rows.py"), *options], check=True)
    return path


def table(figures: dict[str, dict[str, list[float]]]) -> str:
    """Means, deviations, and whether the difference is one, in Markdown."""
    p_values = [float(ttest_rel(one["pretrained"], one["plain"]).pvalue) for one in figures.values()]
    lines = ["| comparison | plain | pretrained | difference | p, Holm | |", "|---|---|---|---|---|---|"]
    for (name, one), p in zip(figures.items(), holm(p_values), strict=True):
        cells = [f"{mean(one[kind]):.4f} ± {stdev(one[kind]):.4f}" for kind in ("plain", "pretrained")]
        difference = mean(one["pretrained"]) - mean(one["plain"])
        verdict = "not distinguishable" if p >= SIGNIFICANT else "better" if difference > 0 else "worse"
        lines.append(f"| {name} | {cells[0]} | {cells[1]} | {difference:+.4f} | {p:.3f} | {verdict} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
