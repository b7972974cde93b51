"""The test report that a person reads, in a terminal or in a log file."""

import sys
import unicodedata
from collections.abc import Mapping
from typing import Any, TextIO

from rich.box import SIMPLE
from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from tfdomain.evaluation.plain_text import plain_text

__all__ = ["print_report", "report_text"]

MAX_CLASSES = 25
MAX_CONFUSIONS = 10
MAX_NAME_CELLS = 48

_SUMMARY = {
    "num_examples": "examples",
    "num_entities": "entities",
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "weighted_f1": "weighted F1",
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "mean_average_precision": "mean average precision",
    "exact_match": "exact match",
    "hamming_loss": "Hamming loss",
    "threshold": "threshold",
    "cost": "cost an example",
    "entity_precision": "entity precision",
    "entity_recall": "entity recall",
    "entity_f1": "entity F1",
    "macro_entity_f1": "macro entity F1",
    "token_accuracy": "token accuracy",
    "answer_f1": "answer F1",
    "answerable_f1": "answer F1 of the answerable",
    "no_answer_accuracy": "accuracy on the unanswerable",
    "mse": "mean squared error",
    "mae": "mean absolute error",
    "pearson": "Pearson",
    "spearman": "Spearman",
    "r2": "R\u00b2",
    "num_queries": "queries",
    "num_items": "items",
    "recall_at_1": "recall at 1",
    "recall_at_5": "recall at 5",
    "recall_at_10": "recall at 10",
    "mrr": "mean reciprocal rank",
    "ndcg_at_10": "nDCG at 10",
    "log_loss": "log loss",
}
"""The plain numbers that are shown, and their names; in classification micro F1 is the accuracy again."""
_TABLES = {"per_class": "class", "per_label": "label", "per_entity": "entity", "per_target": "target"}
_PLURALS = {"class": "classes", "entity": "entities"}
_COLUMNS = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "threshold": "threshold",
    "mse": "MSE",
    "mae": "MAE",
    "pearson": "Pearson",
    "spearman": "Spearman",
    "r2": "R\u00b2",
    "support": "examples",
}

_FEATURE_COLUMNS = {"own_roc_auc": "ROC AUC", "own_spearman": "|Spearman|", "missing_rate": "missing"}


def report_text(metrics: Mapping[str, Any], *, title: str = "Test", width: int | None = None) -> str:
    """The report as plain text: no colours, no control characters, columns aligned.

    It shows the summary, the classes (or labels, entities, targets), and the most frequent
    confusions. Up to 25 classes are all shown, the largest first; of more only the 25 with the
    lowest F1, with a note.

    Args:
        metrics: As the functions of `tfdomain.metrics` give them, or such by task; what is missing is not shown.
        title: The heading.
        width: The number of columns of text; None takes as many as the report needs.

    Returns:
        Lines that end in a newline each. An undefined value is shown as a dash.
    """
    return plain_text(_report(metrics, title), width)


def print_report(metrics: Mapping[str, Any], title: str = "Test", *, file: TextIO | None = None) -> None:
    """Prints the report: with colours, in the window's width, on a terminal; plain text elsewhere.

    Args:
        metrics: As for `report_text`.
        title: The heading.
        file: Where to; None is the standard output.
    """
    file = file or sys.stdout
    console = Console(file=file)
    if console.is_terminal:
        console.print(_report(metrics, title))
    else:
        file.write(report_text(metrics, title=title))


def _report(metrics: Mapping[str, Any], title: str) -> Group:
    if metrics and all(isinstance(measured, Mapping) for measured in metrics.values()):
        # Of several tasks: a task's own metrics have a number among them.
        reports: list[Any] = []
        for task, measured in metrics.items():
            reports += [*([Text()] if reports else []), _report(measured, f"{title}: {task}")]
        return Group(*reports)
    parts: list[Any] = [Text(title, style="bold"), _summary_table(metrics)]
    for key, kind in _TABLES.items():
        # The one target's scores are the summary's.
        if metrics.get(key) and not (kind == "target" and len(metrics[key]) == 1):
            parts += _score_parts(kind, metrics[key])
    if metrics.get("per_feature"):
        parts += _feature_parts(metrics["per_feature"])
    if metrics.get("confusion_matrix") and metrics.get("per_class"):
        parts += _confusion_parts(metrics["confusion_matrix"], list(metrics["per_class"]))
    return Group(*parts)


def _summary_table(metrics: Mapping[str, Any]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=True)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    names = list(metrics.get("per_class", {}))
    for key, name in _SUMMARY.items():
        if key in metrics and not (key == "micro_f1" and names):
            # Of two classes the precision-recall area belongs to one; it differs for the other.
            of = f" of {_name(names[1])}" if key == "pr_auc" and len(names) == 2 else ""
            table.add_row(Text(f"  {name}{of}"), _number(metrics[key]))
    return table


def _score_parts(kind: str, scores: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    heading = _PLURALS.get(kind, f"{kind}s")
    if len(scores) <= MAX_CLASSES:
        chosen = sorted(scores.items(), key=lambda item: -(item[1].get("support") or 0))
    else:
        # A class that occurs nowhere has no F1 and is no weakness of the model: it goes last.
        worst = sorted(scores.items(), key=lambda item: (item[1].get("f1") is None, item[1].get("f1") or 0.0))
        chosen = worst[:MAX_CLASSES]
        heading += f" (the {MAX_CLASSES} of {len(scores)} with the lowest F1; the metrics hold them all)"
    columns = {key: name for key, name in _COLUMNS.items() if any(key in one for _, one in chosen)}
    table = _table(kind, *columns.values())
    for name, one in chosen:
        table.add_row(_name(name), *(_number(one.get(key)) for key in columns))
    return [Text(), Text(heading, style="bold"), table]


def _feature_parts(features: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    columns = {key: name for key, name in _FEATURE_COLUMNS.items() if any(key in one for one in features.values())}
    table = _table("feature", "kind", *columns.values(), left=2)
    for name, one in features.items():
        table.add_row(_name(name), one["kind"], *(_number(one.get(key)) for key in columns))
    return [Text(), Text("what each feature tells by itself (near 1: does it know the outcome?)", style="bold"), table]


def _confusion_parts(matrix: list[list[float]], names: list[str]) -> list[Any]:
    confusions = [
        (count, count / sum(row), true, predicted)
        for true, row in enumerate(matrix)
        for predicted, count in enumerate(row)
        if count > 0 and true != predicted
    ]
    if not confusions:
        return []
    confusions.sort(key=lambda item: (-item[0], item[2:]))
    table = _table("is", "taken for", "times", "share", left=2)
    for count, share, true, predicted in confusions[:MAX_CONFUSIONS]:
        table.add_row(_name(names[true]), _name(names[predicted]), _number(count), f"{share:.1%}")
    heading = Text("most frequent confusions (share: of the class's own examples)", style="bold")
    return [Text(), heading, table]


def _table(*headings: str, left: int = 1) -> Table:
    table = Table(box=SIMPLE, padding=(0, 1), show_edge=False, header_style="bold")
    for index, heading in enumerate(headings):
        justify: Any = "left" if index < left else "right"
        table.add_column(heading, justify=justify, no_wrap=True, overflow="ellipsis")
    return table


def _number(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:,.1f}"


def _name(name: str) -> Text:
    # Label names come from people's files: a control character would break the table or colour it.
    plain = "".join(c if unicodedata.category(c)[0] != "C" else f"\\u{ord(c):04x}" for c in str(name))
    if cell_len(plain) > MAX_NAME_CELLS:
        plain = set_cell_size(plain, MAX_NAME_CELLS - 1).rstrip() + "…"
    return Text(plain)
