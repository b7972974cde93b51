"""The shares of keys against what is known of a function."""

import numpy as np

from tfdomain.config.search import Search
from tfdomain.search.importance import importances

SEARCH = Search.model_validate(
    {
        "objective": "validation.macro_f1",
        "trials": 200,
        "space": {
            "training.learning_rate": {"float": [1e-5, 1e-3], "log": True},
            "training.batch_size": {"int": [8, 64]},
            "model.pooling": {"choice": ["cls", "mean"]},
        },
    }
)


def lines(count):
    random = np.random.default_rng(3)
    for _ in range(count):
        exponent, size, pooling = random.uniform(-5, -3), int(random.integers(8, 65)), random.choice(["cls", "mean"])
        # Variances: 1/12 of the learning rate (over one of its two orders of magnitude each way), 1/4 of pooling.
        value = (exponent + 5) / 2 + (pooling == "mean")
        yield {
            "state": "completed",
            "values": {
                "training.learning_rate": 10**exponent, "training.batch_size": size, "model.pooling": str(pooling),
            },
            "metrics": {"validation": {"macro_f1": float(value)}},
        }  # fmt: skip


def test_shares_are_those_of_the_variance():
    shares = importances(SEARCH, list(lines(200)), 3)
    assert next(iter(shares)) == "model.pooling"
    np.testing.assert_allclose(shares["model.pooling"], (1 / 4) / (1 / 4 + 1 / 12), atol=0.05)
    np.testing.assert_allclose(shares["training.learning_rate"], (1 / 12) / (1 / 4 + 1 / 12), atol=0.05)
    assert shares["training.batch_size"] < 0.02


def test_few_trials_tell_nothing():
    few = list(lines(5))
    assert importances(SEARCH, few[:4], 3) is None
    assert importances(SEARCH, [*few[:4], few[4] | {"state": "failed"}], 3) is None
    assert set(importances(SEARCH, few, 3)) == set(SEARCH.space)
