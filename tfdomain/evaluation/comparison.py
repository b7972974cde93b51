"""Whether models differ on the same test rows: each pair of them, with an interval and a corrected p-value."""

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tfdomain.data.progress import bar
from tfdomain.errors import InputError
from tfdomain.evaluation.resampling import Statistic
from tfdomain.metrics.selection import metric_direction
from tfdomain.metrics.significance import SIGNIFICANT, bootstrap_p_value, holm, mcnemar_p_value

__all__ = ["BOOTSTRAP", "MCNEMAR", "NOT_DISTINGUISHABLE", "Comparison", "Difference", "compare_statistics"]

BOOTSTRAP = "paired bootstrap"
MCNEMAR = "McNemar's exact test"
NOT_DISTINGUISHABLE = "not distinguishable"
FEWEST_RESAMPLES = 100


@dataclass(frozen=True)
class Difference:
    """How two models differ.

    Attributes:
        first: The one's name.
        second: The other's.
        difference: The first's metric less the second's.
        interval: Where 95 % of the difference lie when the test rows are drawn anew, from and to.
        test: What the p-value is of.
        p_value: How likely models that are equally good differ so much on such rows.
        corrected_p_value: The same by Holm's procedure, for all pairs that are compared.
        verdict: `FIRST is better`, `SECOND is better`, or `not distinguishable`.
    """

    first: str
    second: str
    difference: float
    interval: tuple[float, float]
    test: str
    p_value: float
    corrected_p_value: float
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """What is known of the differences of models.

    Attributes:
        metric: What they are measured by.
        num_units: How many test rows there are; of a search, queries.
        resamples: How often these were drawn anew.
        values: The metric of each model, by name.
        differences: Each pair, in the order of the models.
    """

    metric: str
    num_units: int
    resamples: int
    values: dict[str, float]
    differences: list[Difference]

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        return asdict(self)


def compare_statistics(
    statistics: dict[str, Statistic], metric: str, *, resamples: int = 10_000, seed: int = 0
) -> Comparison:
    """Compares each pair of models.

    Rows are drawn with replacement, the same for every model, and the metric is computed on them; the interval is that
    of the percentiles. Where the metric is a share of rows that are right, McNemar's exact test gives the p-value,
    else the resamples do.

    Args:
        statistics: The metric of each model by its name, all of the same rows; two at least.
        metric: Its name.
        resamples: How often rows are drawn; at least 100.
        seed: Of the drawing.

    Raises:
        InputError: There are fewer than two models or too few resamples, or most of these leave the metric undefined.

    Reference: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 13 and 16; for language
        processing Koehn, "Statistical Significance Tests for Machine Translation Evaluation", EMNLP 2004.
    """
    if len(statistics) < 2:
        raise InputError(f"{len(statistics)} model is given", mend="give two or more")
    if resamples < FEWEST_RESAMPLES:
        mend = f"choose {FEWEST_RESAMPLES} or more; 10000 is usual"
        raise InputError(f"{resamples} resamples tell nothing", where="--resamples", mend=mend)
    drawn = _draw(list(statistics.values()), resamples, seed)
    values = {name: statistic.value for name, statistic in statistics.items()}
    resampled = dict(zip(statistics, drawn, strict=True))
    pairs = list(itertools.combinations(statistics, 2))
    tested = [_test(statistics[one], statistics[other], resampled[one] - resampled[other]) for one, other in pairs]
    corrected = holm([p_value for _, p_value in tested])
    differences = [
        Difference(
            first=one,
            second=other,
            difference=values[one] - values[other],
            interval=_interval(resampled[one] - resampled[other]),
            test=test,
            p_value=p_value,
            corrected_p_value=corrected_p_value,
            verdict=_verdict(one, other, values[one] - values[other], corrected_p_value, metric),
        )
        for (one, other), (test, p_value), corrected_p_value in zip(pairs, tested, corrected, strict=True)
    ]
    num_units = next(iter(statistics.values())).num_units
    return Comparison(metric, num_units, resamples, values, differences)


def _draw(statistics: Sequence[Statistic], resamples: int, seed: int) -> np.ndarray:
    """The metric of each model on each resample where all of them define it, float64 `[models, defined]`."""
    random = np.random.Generator(np.random.PCG64(seed))
    num_units = statistics[0].num_units
    drawn = np.empty((len(statistics), resamples))
    with bar("resampling", total=resamples * num_units) as advance:
        for resample in range(resamples):
            rows = random.integers(num_units, size=num_units)
            drawn[:, resample] = [statistic.of_rows(rows) for statistic in statistics]
            advance(num_units)
    defined = drawn[:, ~np.isnan(drawn).any(axis=0)]
    if defined.shape[1] < resamples / 2:
        problem = f"most resamples of the {num_units} test rows leave the metric undefined"
        raise InputError(problem, mend="choose another metric, or test on more rows")
    return defined


def _test(first: Statistic, second: Statistic, differences: np.ndarray) -> tuple[str, float]:
    if first.right is not None and second.right is not None:
        return MCNEMAR, mcnemar_p_value(first.right, second.right)
    return BOOTSTRAP, bootstrap_p_value(differences)


def _interval(differences: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(differences, [0.025, 0.975]).tolist()
    return low, high


def _verdict(first: str, second: str, difference: float, p_value: float, metric: str) -> str:
    if p_value >= SIGNIFICANT:
        return NOT_DISTINGUISHABLE
    return f"{first if (difference > 0) == (metric_direction(metric) == 'max') else second} is better"
