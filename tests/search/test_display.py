"""What a search shows: a table on a terminal, lines elsewhere."""

import io

from rich.console import Console

from tfdomain.config import load_experiment
from tfdomain.search.chief import Chief, Outcome
from tfdomain.search.display import show_until


def shown(chief: Chief, is_terminal: bool) -> str:
    text = io.StringIO()
    console = Console(file=text, force_terminal=is_terminal, width=160, color_system=None)
    show_until(lambda seconds: True, chief, console)
    return text.getvalue()


def test_trials_on_a_terminal_and_elsewhere(write_experiment, tmp_path):
    experiment = load_experiment(write_experiment(trials=9))
    chief = Chief(experiment, experiment.search, tmp_path)
    chief.end(chief.take("a"), Outcome(2.0, metrics={"validation": {"macro_f1": 0.75}}))
    chief.end(chief.take("a"), Outcome(3.0, problem="it broke", error="line\nit broke"))
    under_way = chief.take("a")
    progress = {"step": 30, "num_steps": 90, "epoch": 1, "resumed_from_step": None, "figures": {"val_macro_f1": 0.5}}
    chief.beat(under_way, progress)
    rows = {line.split()[0]: line.split() for line in shown(chief, True).splitlines() if line.strip()}
    assert rows["001"][1:3] == ["completed", "0.7500"]
    assert rows["002"][1] == "failed"
    assert rows["003"][1:5] == ["running", "1", "0.5000", "0:00:00"]
    assert "2 of 9 trials ended, 1 under way" in shown(chief, True)
    chief.end(under_way, Outcome(4.0, metrics={"validation": {"macro_f1": 0.5}}))
    # Of what had ended before there is nothing to tell.
    assert shown(chief, False) == ""
    again = chief.take("a")
    assert shown(chief, False).startswith("trial 004 begins: training.learning_rate=")
    chief.end(again, Outcome(4.0, problem="it broke", error="line\nit broke"))
    chief.flush()
