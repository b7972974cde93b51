"""The versions of one model: found by polling, loaded, swapped, and closed after their last request.

A version is a folder with a whole number for a name and a `saved_model.pb` in it. The newest one
that loads is served; versions that a label names are kept beside it. A new version is loaded and
warmed up while the old one answers, then takes over in one assignment under a lock; the old one is
closed by whichever request leaves it last. So a swap loses no request.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import grpc
from tensorflow_serving.apis import model_pb2

from tfdomain.errors import InputError
from tfdomain.serving.model_version import ModelVersion, ServedVersion, VersionState, find_versions, fingerprint_of
from tfdomain.serving.monitoring import Metrics
from tfdomain.serving.saved_model import LoadedModel
from tfdomain.serving.status import ServingError, error_of_exception, invalid_argument
from tfdomain.serving.warmup import warm_up

__all__ = ["ModelVersions"]

_LOG = logging.getLogger(__name__)


class ModelVersions:
    """Keeps the newest version of a directory served.

    Args:
        directory: The model's directory.
        name: The name that clients call the model by.
        labels: Version labels: a label to the number of the version it stands for.
        poll_seconds: Seconds between two looks at the directory.
        metrics: Where loads are counted.
    """

    def __init__(
        self,
        directory: Path,
        *,
        name: str,
        labels: Mapping[str, int] | None = None,
        poll_seconds: float = 1.0,
        metrics: Metrics,
    ):
        self.directory, self.name, self.labels = directory, name, dict(labels or {})
        self._poll_seconds, self._metrics = poll_seconds, metrics
        self._lock = threading.Lock()
        self._versions: dict[int, ModelVersion] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="tfdomain-versions", daemon=True)

    @property
    def newest(self) -> int | None:
        """The number of the version that answers requests which name none."""
        with self._lock:
            version = self._available(None)
            return None if version is None else version.number

    def start(self) -> None:
        """Loads the first version, then watches the directory in a thread.

        Raises:
            InputError: The directory is missing, holds no version, or none that can be loaded.
        """
        where = str(self.directory)
        if not self.directory.is_dir():
            raise InputError("no such directory", where=where, mend="name the directory of an export")
        found = find_versions(self.directory)
        if not found:
            if (self.directory / "saved_model.pb").is_file():
                mend = "name the directory above it, whose folders are numbered versions"
                raise InputError("is a SavedModel itself, not a directory of versions", where=where, mend=mend)
            mend = "export a model into it, or name another directory"
            raise InputError("holds no numbered folder with a saved_model.pb", where=where, mend=mend)
        self.poll()
        if self.newest is None:
            error = self._versions[max(found)].error
            raise InputError(f"version {max(found)} cannot be loaded ({error})", where=where, mend="export it again")
        self._thread.start()

    def stop(self) -> None:
        """Stops watching and closes every version; no request may come after it."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            versions = [version for version in self._versions.values() if version.model is not None]
            for version in versions:
                version.state = VersionState.UNLOADING
        for version in versions:
            self._close_if_idle(version)

    @contextlib.contextmanager
    def acquire(self, model_spec: model_pb2.ModelSpec) -> Iterator[ServedVersion]:
        """Gives the version that a request asks for, which stays loaded until the block ends.

        Raises:
            ServingError: NOT_FOUND for an unknown model or version, INVALID_ARGUMENT without a name
                or for an unknown label.
        """
        number = self._requested_number(model_spec)
        with self._lock:
            version = self._available(number) if model_spec.name == self.name else None
            if version is None:
                request = f"Latest({model_spec.name})" if number is None else f"Specific({model_spec.name}, {number})"
                raise ServingError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {request}")
            version.num_requests += 1
            assert version.model is not None  # as long as it is AVAILABLE
            served = ServedVersion(version.number, version.model)
        try:
            yield served
        finally:
            with self._lock:
                version.num_requests -= 1
            self._close_if_idle(version)

    def statuses(self, model_spec: model_pb2.ModelSpec) -> list[ModelVersion]:
        """The versions that a status request asks about, newest first; a label asks about all.

        Raises:
            ServingError: NOT_FOUND for an unknown model or version.
        """
        with self._lock:
            versions = self._versions if model_spec.name == self.name else {}
            if model_spec.WhichOneof("version_choice") == "version":
                number = model_spec.version.value
                if number not in versions:
                    message = f"Could not find version {number} of model {model_spec.name}"
                    raise ServingError(grpc.StatusCode.NOT_FOUND, message)
                return [versions[number]]
            if not versions:
                message = f"Could not find any versions of model {model_spec.name}"
                raise ServingError(grpc.StatusCode.NOT_FOUND, message)
            return [versions[number] for number in sorted(versions, reverse=True)]

    def poll(self) -> None:
        """Looks at the directory once: loads what is new, lets go of what is no longer wanted.

        Raises:
            OSError: The directory cannot be read; what is served goes on.
        """
        found = find_versions(self.directory)
        wanted = {number for number in self.labels.values() if number in found and self._load(number, found[number])}
        for number, folder in found.items():
            if self._load(number, folder):
                wanted.add(number)
                break
        if not wanted:
            return  # Nothing on the disk can be served: what is loaded stays.
        with self._lock:
            retired = [
                version
                for version in self._versions.values()
                if version.state == VersionState.AVAILABLE and version.number not in wanted
            ]
            for version in retired:
                version.state = VersionState.UNLOADING
        for version in retired:
            _LOG.info("%s: version %d ends with its last request", self.name, version.number)
            self._close_if_idle(version)

    def _load(self, number: int, folder: Path) -> bool:
        # True if the version is loaded afterwards. One that failed is tried again only when its
        # files have changed: a slow copy into the directory fails first and succeeds later.
        known = self._versions.get(number)
        if known is not None and known.state == VersionState.AVAILABLE:
            return True
        fingerprint = fingerprint_of(folder)
        if known is not None and known.error is not None and known.fingerprint == fingerprint:
            return False
        version = ModelVersion(number, folder, VersionState.LOADING, fingerprint=fingerprint)
        with self._lock:
            self._versions[number] = version
        started = time.perf_counter()
        try:
            model = self._load_and_warm_up(folder)
        except Exception as error:
            self._metrics.load_attempts.add(str(folder), "fail")
            _LOG.warning("%s: version %d cannot be loaded: %s", self.name, number, error)
            with self._lock:
                version.state, version.error = VersionState.END, error_of_exception(error)
            return False
        self._metrics.load_attempts.add(str(folder), "success")
        self._metrics.load_latency.add(str(folder), amount=round((time.perf_counter() - started) * 1e6))
        with self._lock:
            version.model, version.state = model, VersionState.AVAILABLE
        _LOG.info("%s: version %d is available", self.name, number)
        return True

    def _load_and_warm_up(self, folder: Path) -> LoadedModel:
        model = LoadedModel(folder)
        started = time.perf_counter()
        try:
            num_requests = warm_up(model)
        except BaseException:
            model.close()
            raise
        if num_requests:
            microseconds = (time.perf_counter() - started) * 1e6
            self._metrics.warmup_latency.add(str(folder), "OK", observed=microseconds)
        return model

    def _close_if_idle(self, version: ModelVersion) -> None:
        with self._lock:
            if version.state != VersionState.UNLOADING or version.num_requests or version.model is None:
                return
            model, version.model = version.model, None
        model.close()
        with self._lock:
            version.state = VersionState.END
        _LOG.info("%s: version %d is unloaded", self.name, version.number)

    def _available(self, number: int | None) -> ModelVersion | None:
        # The caller holds the lock.
        numbers = [n for n, version in self._versions.items() if version.state == VersionState.AVAILABLE]
        wanted = max(numbers, default=None) if number is None else number
        return self._versions[wanted] if wanted in numbers else None

    def _requested_number(self, model_spec: model_pb2.ModelSpec) -> int | None:
        if not model_spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        choice = model_spec.WhichOneof("version_choice")
        if choice == "version_label":
            label = model_spec.version_label
            if model_spec.name != self.name or label not in self.labels:
                raise invalid_argument(f"Unrecognized servable version label: {label}")
            return self.labels[label]
        return model_spec.version.value if choice == "version" else None

    def _watch(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            try:
                self.poll()
            except OSError as error:
                _LOG.warning("%s: %s cannot be read (%s); what is served goes on", self.name, self.directory, error)
