import io

import numpy as np
import pytest
from rich.cells import cell_len

from tfdomain.evaluation.report import print_report, report_text
from tfdomain.metrics.classification import classification_metrics


def metrics_of(names, num_rows=200, seed=0):
    random = np.random.default_rng(seed)
    labels = random.integers(0, len(names), num_rows)
    logits = random.normal(size=(num_rows, len(names))) + 2 * np.eye(len(names))[labels]
    return classification_metrics(labels, np.exp(logits) / np.exp(logits).sum(1, keepdims=True), names)


def lines_from(text, heading):
    """The rows under a heading, without the column names and the rule."""
    lines = text.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(heading))
    rows = lines[start + 3 :]
    return rows[: rows.index("")] if "" in rows else rows


def test_a_small_report_reads_like_this():
    metrics = classification_metrics([0, 0, 1, 1], [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]], ["ok", "late"])
    assert report_text(metrics, title="Test of demo") == (
        "Test of demo\n"
        "  examples             4\n"
        "  accuracy        0.7500\n"
        "  macro F1        0.7333\n"
        "  weighted F1     0.7333\n"
        "  ROC AUC         1.0000\n"
        "  PR AUC of late  1.0000\n"
        "  log loss        0.4004\n"
        "\n"
        "classes\n"
        " class   precision   recall       F1   ROC AUC   PR AUC   examples\n"
        "───────────────────────────────────────────────────────────────────\n"
        " ok         1.0000   0.5000   0.6667    1.0000   1.0000          2\n"
        " late       0.6667   1.0000   0.8000    1.0000   1.0000          2\n"
        "\n"
        "most frequent confusions (share: of the class's own examples)\n"
        " is   taken for   times   share\n"
        "────────────────────────────────\n"
        " ok   late            1   50.0%\n"
    )


def test_up_to_25_classes_are_all_shown_the_largest_first():
    metrics = metrics_of([f"class {index}" for index in range(25)])
    rows = lines_from(report_text(metrics), "classes")
    support = [int(row.split()[-1]) for row in rows]
    assert len(rows) == 25 and support == sorted(support, reverse=True)


def test_of_many_classes_the_worst_are_shown_with_a_note():
    metrics = metrics_of([f"class_{index}" for index in range(77)], 3000)
    text = report_text(metrics)
    rows = lines_from(text, "classes")
    assert "classes (the 25 of 77 with the lowest F1" in text
    worst = sorted(metrics["per_class"], key=lambda name: metrics["per_class"][name]["f1"])[:25]
    assert [row.split()[0] for row in rows] == worst


def test_confusions_are_counted_from_the_matrix():
    metrics = metrics_of(list("abcd"), 400)
    matrix = np.array(metrics["confusion_matrix"])
    rows = [row.split() for row in lines_from(report_text(metrics), "most frequent confusions")]
    assert len(rows) == 10
    for true, predicted, count, share in rows:
        row = "abcd".index(true)
        assert int(count) == matrix[row, "abcd".index(predicted)]
        assert float(share[:-1]) == pytest.approx(100 * int(count) / matrix[row].sum(), abs=0.06)
    np.fill_diagonal(matrix, 0)
    assert [int(row[2]) for row in rows] == sorted(matrix.ravel(), reverse=True)[:10]


def test_wide_characters_stay_in_their_columns():
    rows = lines_from(report_text(metrics_of(["好评", "差评论", "부정", "plain"])), "classes")
    assert len({cell_len(row) for row in rows}) == 1
    assert len({len(row) for row in rows}) > 1


def test_names_cannot_break_the_table():
    names = ["[red]x[/red]", "a\nb\x1b[31m", "y" * 200]
    text = report_text(metrics_of(names))
    assert "[red]x[/red]" in text and "a\\u000ab\\u001b[31m" in text and "y" * 47 + "…" in text
    assert "\x1b" not in text and len(lines_from(text, "classes")) == 3


def test_what_is_undefined_is_a_dash_and_what_is_missing_is_left_out():
    metrics = classification_metrics([0, 0], [[0.7, 0.2, 0.1]] * 2, ["a", "b", "c"])
    text = report_text(metrics)
    assert "confusions" not in text and " b               -" in text
    assert report_text({"num_examples": 3, "accuracy": 0.5}) == "Test\n  examples       3\n  accuracy  0.5000\n"


def test_a_given_width_is_kept():
    text = report_text(metrics_of(["y" * 60, "x" * 60]), width=80)
    assert max(cell_len(line) for line in text.splitlines()) <= 80 and "…" in text


def test_printing_is_plain_off_a_terminal_and_coloured_on_one():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    metrics = metrics_of(["a", "b"])
    plain, coloured = io.StringIO(), Terminal()
    print_report(metrics, "Test", file=plain)
    assert plain.getvalue() == report_text(metrics)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "xterm-256color")
        patch.delenv("NO_COLOR", raising=False)
        print_report(metrics, "Test", file=coloured)
    assert "\x1b[1m" in coloured.getvalue() and "accuracy" in coloured.getvalue()
