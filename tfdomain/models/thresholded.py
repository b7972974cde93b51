"""Models whose probabilities become labels by thresholds: what one label a text and several have in common."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfdomain.errors import InputError
from tfdomain.metrics.thresholds import Threshold, choose_threshold
from tfdomain.models.pooled import PooledModel

__all__ = ["ThresholdedModel", "check_threshold"]


class ThresholdedModel(PooledModel):
    """A label is given where its probability is at least its threshold.

    A subclass gives `choose`. `predict` gives probabilities whatever the thresholds are.

    Args:
        encoder: Turns tokens into vectors.
        tokenizer: Turns text into tokens.
        threshold: What a subclass makes of it; None: its own rule.
        threshold_by: What `calibrate` chooses by: `{"metric": "f1"}` or `{"costs": {"false_positive": 1,
            "false_negative": 5}}`; None leaves the threshold as it is.
        **kwargs: What every `PooledModel` takes.

    Raises:
        InputError: There is no such metric, or the costs are none.
    """

    def __init__(
        self,
        encoder: Any,
        tokenizer: Any,
        *,
        threshold: Any = None,
        threshold_by: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ):
        super().__init__(encoder, tokenizer, **kwargs)
        self.threshold = threshold
        self.threshold_by = _checked(threshold_by)

    @property
    def costs(self) -> Mapping[str, float] | None:
        """What each kind of error costs; None where thresholds are not chosen by costs."""
        return (self.threshold_by or {}).get("costs")

    def choose(self, truth: np.ndarray, predictions: np.ndarray) -> dict[str, Threshold]:
        """Chooses by `threshold_by`, keeps what was chosen in `threshold`, and gives it by label."""
        raise NotImplementedError

    def choose_thresholds(
        self, x: Any, y: Any, *, metric: str = "f1", costs: Mapping[str, float] | None = None
    ) -> dict[str, Threshold]:
        """Chooses the thresholds that are best on held-out examples, and keeps them with the model.

        On examples that the model was trained on they would be too optimistic.

        Args:
            x: As for `fit`.
            y: A label (or a set of them) a text.
            metric: `f1` or another F-beta such as `f2`, `accuracy`, `balanced_accuracy`, `youden`.
            costs: `{"false_positive": c, "false_negative": c}`; if given, the least mean cost decides.

        Returns:
            What was chosen, by label; `reason` says why nothing could be, and the threshold is 0.5 then.

        Raises:
            InputError: An argument is wrong.

        Example:
            >>> model.choose_thresholds(texts, labels, costs={"false_positive": 1, "false_negative": 5})
        """
        self.threshold_by = _checked({"metric": metric} if costs is None else {"costs": dict(costs)})
        return self.choose(self.truth(y), self.predict(x))

    def calibrate(self, x: Any, truth: Any, rows: np.ndarray | None = None) -> list[str]:
        """Chooses by `threshold_by`; tells which labels leave nothing to choose by."""
        if self.threshold_by is None:
            return []
        chosen = self.choose(truth, self.predict(x, rows=rows))
        reasons: dict[str, list[str]] = {}
        for label, threshold in chosen.items():
            if threshold.reason is not None:
                reasons.setdefault(threshold.reason, []).append(repr(label))
        return [
            f"the threshold of {', '.join(labels)} stays {0.5}: {reason} among the validation rows"
            for reason, labels in reasons.items()
        ]

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments but the encoder and the tokenizer, as JSON values."""
        by = None if self.threshold_by is None else _plain(self.threshold_by)
        return {"threshold": _plain(self.threshold), "threshold_by": by, **super().settings()}


def check_threshold(threshold: Any) -> float:
    """A threshold that may be.

    Raises:
        InputError: It is no number between 0 and 1.
    """
    # The one that gives a label to nothing lies just above the highest probability, and that may be 1.
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 <= threshold < 1.001:
        raise InputError(f"threshold is {threshold!r}", mend="give a number between 0 and 1")
    return float(threshold)


def _checked(rule: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if rule is None:
        return None
    if not isinstance(rule, Mapping) or len(rule) != 1 or not set(rule) <= {"metric", "costs"}:
        problem = f"threshold_by is {rule!r}"
        raise InputError(problem, mend='give {"metric": name} or {"costs": {"false_positive": c, "false_negative": c}}')
    # Any two examples: an unknown metric is refused before a training is spent on it.
    choose_threshold([0, 1], [0.25, 0.75], **rule)
    return dict(rule)


def _plain(value: Any) -> Any:
    """Without the dictionaries in which Keras keeps an attribute's."""
    return {key: _plain(each) for key, each in value.items()} if isinstance(value, Mapping) else value
