"""Counters and histograms under TensorFlow Serving's names, in Prometheus' text format.

The names begin with a colon and counters do not end in `_total`, as in the C++ server; that is why
they are written here and not by a client library, which would rename them and break dashboards.

Reference: `util/prometheus_exporter.cc`, `servables/tensorflow/util.cc`; Prometheus' "Text-based
format" 0.0.4.
"""

import bisect
import threading

__all__ = ["METRICS_PATH", "Counter", "Histogram", "Metrics"]

METRICS_PATH = "/monitoring/prometheus/metrics"
# Microseconds: from 10, each limit 1.8 times the last, 33 buckets (about 20 minutes).
_LATENCY_LIMITS = [10 * 1.8**power for power in range(32)]


class Counter:
    """A number that only grows, per combination of label values.

    Args:
        name: The metric's name.
        labels: The names of its labels.
    """

    def __init__(self, name: str, *labels: str):
        self.name, self.labels = name, labels
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, ...], int] = {}

    def add(self, *values: str, amount: int = 1) -> None:
        """Counts `amount` more for these label values."""
        with self._lock:
            self._counts[values] = self._counts.get(values, 0) + amount

    def lines(self) -> list[str]:
        """The metric in text format."""
        with self._lock:
            points = sorted(self._counts.items())
        return [f"# TYPE {self.name} counter"] + [
            f"{self.name}{{{_label_text(self.labels, values)}}} {count}" for values, count in points
        ]


class Histogram:
    """How many observations fell under each limit, per combination of label values."""

    def __init__(self, name: str, limits: list[float], *labels: str):
        self.name, self.limits, self.labels = name, limits, labels
        self._lock = threading.Lock()
        self._points: dict[tuple[str, ...], tuple[list[int], list[float]]] = {}

    def add(self, *values: str, observed: float) -> None:
        """Adds one observation."""
        with self._lock:
            counts, total = self._points.setdefault(values, ([0] * (len(self.limits) + 1), [0.0]))
            counts[bisect.bisect_right(self.limits, observed)] += 1
            total[0] += observed

    def lines(self) -> list[str]:
        """The metric in text format."""
        with self._lock:
            points = [(values, list(counts), total[0]) for values, (counts, total) in self._points.items()]
        lines = [f"# TYPE {self.name} histogram"]
        for values, counts, total in sorted(points):
            labels = _label_text(self.labels, values)
            bucket = f"{labels}," if labels else ""
            seen = 0
            for limit, count in zip([f"{limit:g}" for limit in self.limits] + ["+Inf"], counts, strict=True):
                seen += count
                lines.append(f'{self.name}_bucket{{{bucket}le="{limit}"}} {seen}')
            lines += [f"{self.name}_sum{{{labels}}} {total:g}", f"{self.name}_count{{{labels}}} {seen}"]
        return lines


class Metrics:
    """What one server counts. Every latency is in microseconds."""

    def __init__(self) -> None:
        self.requests = Counter(":tensorflow:serving:request_count", "model_name", "status")
        self.request_latency = Histogram(
            ":tensorflow:serving:request_latency", _LATENCY_LIMITS, "model_name", "API", "entrypoint"
        )
        self.runtime_latency = Histogram(
            ":tensorflow:serving:runtime_latency", _LATENCY_LIMITS, "model_name", "API", "runtime"
        )
        self.warmup_latency = Histogram(
            ":tensorflow:serving:model_warmup_latency", _LATENCY_LIMITS, "model_path", "status"
        )
        self.load_attempts = Counter(":tensorflow:cc:saved_model:load_attempt_count", "model_path", "status")
        self.load_latency = Counter(":tensorflow:cc:saved_model:load_latency", "model_path")

    def page(self) -> str:
        """Everything, as the metrics address gives it."""
        metrics = sorted(vars(self).values(), key=lambda metric: metric.name)
        return "\n".join(line for metric in metrics for line in metric.lines()) + "\n"


def _label_text(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    pairs = []
    for name, value in zip(names, values, strict=True):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        pairs.append(f'{name}="{escaped}"')
    return ",".join(pairs)
