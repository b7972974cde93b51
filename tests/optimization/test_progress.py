import io
import time

import numpy as np
import pytest
from rich.console import Console

from tfdomain.optimization.progress import ProgressReport, with_bar

SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"
LOGS = {"loss": 0.5, "examples_per_second": 120.0}


def console(terminal):
    return Console(file=io.StringIO(), force_terminal=terminal, width=120)


def show(report, num_epochs=2, num_batches=3):
    for epoch in range(num_epochs):
        report.on_epoch_begin(epoch)
        for batch in range(num_batches):
            report.on_train_batch_end(batch, LOGS)
        report.on_epoch_end(epoch, {"loss": 0.25, "val_accuracy": 0.75, "count": 3, "val_other": 0.1})
    report.on_train_end()


def test_plain_lines_where_there_is_no_terminal():
    plain = console(False)
    show(ProgressReport(num_epochs=2, num_batches=3, seconds_between_lines=0.0, console=plain))
    lines = plain.file.getvalue().splitlines()
    assert "\x1b" not in plain.file.getvalue()
    assert len(lines) == 8
    assert lines[0] == "epoch 1/2  batch 1/3  loss 0.5000  120 examples/s  0:00:00 left"
    assert lines[3] == "epoch 1/2  loss 0.2500  val_accuracy 0.7500  val_other 0.1000"


def test_plain_lines_come_as_often_as_they_are_asked_for():
    plain = console(False)
    show(ProgressReport(num_epochs=1, num_batches=3, console=plain), num_epochs=1)
    assert len(plain.file.getvalue().splitlines()) == 1


def test_time_left_counts_what_another_process_did_as_done(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    plain = console(False)
    report = ProgressReport(num_epochs=2, num_batches=10, first_batch=4, seconds_between_lines=1.0, console=plain)
    report.on_epoch_begin(0)
    now[0] += 20.0
    report.on_train_batch_end(5, LOGS)
    # Two batches took 20 seconds; 4 of this epoch and 10 of the next are left.
    assert plain.file.getvalue().endswith("0:02:20 left\n")


def test_only_the_chosen_figures():
    plain = console(False)
    show(ProgressReport(num_epochs=1, num_batches=1, figures=["loss", "val_missing"], console=plain), 1, 1)
    assert plain.file.getvalue() == "epoch 1/1  loss 0.2500\n"


def test_a_bar_on_a_terminal():
    terminal = console(True)
    show(ProgressReport(num_epochs=2, num_batches=3, console=terminal))
    text = terminal.file.getvalue()
    assert "3/3" in text
    assert "120 examples/s" in text
    assert "val_accuracy 0.7500" in text
    assert text.count(HIDE_CURSOR) == text.count(SHOW_CURSOR) == 2


def test_closing_in_the_middle_leaves_the_terminal_as_it_was():
    terminal = console(True)
    report = ProgressReport(num_epochs=2, num_batches=3, console=terminal)
    report.on_epoch_begin(0)
    report.on_train_batch_end(0, LOGS)
    report.close()
    report.close()
    text = terminal.file.getvalue()
    assert text.count(HIDE_CURSOR) == text.count(SHOW_CURSOR) == 1
    with terminal.status("a live display"):
        pass  # rich refuses a second one where the first was left.


@pytest.mark.parametrize("terminal", [True, False])
def test_with_bar_gives_the_batches_on(terminal):
    where = console(terminal)
    batches = list(with_bar(np.arange(5), num_batches=5, title="predict", console=where))
    assert batches == [0, 1, 2, 3, 4]
    assert ("predict" in where.file.getvalue()) == terminal


def test_with_bar_stops_when_its_user_fails():
    where = console(True)

    def use():
        for batch in with_bar(range(5), num_batches=5, title="predict", console=where):
            if batch == 2:
                raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        use()
    assert where.file.getvalue().count(HIDE_CURSOR) == where.file.getvalue().count(SHOW_CURSOR) == 1
