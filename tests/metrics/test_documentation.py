import doctest
import importlib
from pathlib import Path

import pytest

MODULES = ["answers", "classification", "confusion", "entities", "multilabel", "ranking", "regression", "retrieval"]
MODULES += ["selection", "significance", "streaming", "thresholds", "weights"]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_are_true(name):
    outcome = doctest.testmod(importlib.import_module(f"tfdomain.metrics.{name}"))
    assert outcome.attempted > 0 and outcome.failed == 0


def test_the_examples_in_the_document_are_true(tmp_path):
    document = Path(__file__).parents[2] / "docs" / "metrics.md"
    text = "\n".join(line for line in document.read_text(encoding="utf-8").splitlines() if not line.startswith("```"))
    (tmp_path / "metrics.txt").write_text(text, encoding="utf-8")
    outcome = doctest.testfile(
        str(tmp_path / "metrics.txt"),
        module_relative=False,
        encoding="utf-8",
        optionflags=doctest.IGNORE_EXCEPTION_DETAIL,
    )
    assert outcome.attempted > 10 and outcome.failed == 0
