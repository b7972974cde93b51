import pytest

from tfdomain.config import experiment_from
from tfdomain.errors import InputError


def experiment(data=None, model=None):
    values = {"name": "n", "task": "embedding", "encoder": "e", "data": {"train": "t", **(data or {})}}
    return experiment_from(values | {"model": model or {}}, where="x.yaml")


def test_defaults():
    made = experiment()
    assert made.data.text_columns == ["anchor", "positive"]
    assert made.model.settings() == {
        "pooling": "mean", "loss": "multiple_negatives", "scale": 20.0, "margin": 0.2, "score_range": (0.0, 1.0),
        "sampling_correction": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("data", "model", "expected"),
    [
        ({"text": ["a"]}, {}, r"data\.text is \['a'\]"),
        ({}, {"loss": "triplet"}, "names 2 columns, and the loss triplet reads three"),
        ({"text": ["a", "b", "c"], "label": "s"}, {"loss": "cosine"}, "names 3 columns, and the loss cosine reads two"),
        ({}, {"loss": "cosine"}, r"name their column in data\.label"),
        ({"label": "s"}, {}, "has no use for them"),
        ({"label": "s"}, {"loss": "cosine", "sampling_correction": True}, "draws no negatives"),
        ({}, {"score_range": [1, 1]}, "does not rise"),
        ({}, {"loss": "nce"}, r"model\.loss is 'nce'"),
        ({"features": ["f"]}, {}, r"unknown key data\.features"),
    ],
)
def test_what_contradicts_is_told(data, model, expected):
    with pytest.raises(InputError, match=expected):
        experiment(data, model)
