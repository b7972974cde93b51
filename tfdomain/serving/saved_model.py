"""One SavedModel folder, loaded and run the way TensorFlow Serving does it.

The graph runs in a session of its own, fed and fetched by the tensor names of its signatures.
That is what the C++ server does, so a TF1 model, a signature without a Python function, a wrong
shape and a deadline all behave as they do there, and closing the session frees everything.
"""

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  (registers the operations that text models are made of)
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from tfdomain.serving.json_value import dtype_name
from tfdomain.serving.status import ServingError, error_of_exception, invalid_argument

__all__ = ["LoadedModel", "read_meta_graph"]

_TAGS = ["serve"]


def read_meta_graph(folder: str | os.PathLike) -> meta_graph_pb2.MetaGraphDef:
    """The graph of a SavedModel that is tagged for serving, with its signatures.

    Raises:
        OSError: There is no `saved_model.pb`.
        ServingError: It holds no graph with the tag `serve`.
        google.protobuf.message.DecodeError: It is not a SavedModel.
    """
    saved_model = saved_model_pb2.SavedModel.FromString((Path(folder) / "saved_model.pb").read_bytes())
    for meta_graph in saved_model.meta_graphs:
        if list(meta_graph.meta_info_def.tags) == _TAGS:
            return meta_graph
    raise invalid_argument(f"Could not find meta graph def matching supplied tags: {{ serve }} in {folder}")


class LoadedModel:
    """A SavedModel ready to answer; safe to run from many threads at once.

    Args:
        folder: The version's folder, with `saved_model.pb`.

    Raises:
        Exception: Whatever TensorFlow raises for a folder that it cannot load.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        meta_graph = read_meta_graph(folder)
        self.signatures: dict[str, Any] = dict(meta_graph.signature_def)
        graph = tf.Graph()
        with graph.as_default():
            self._feeds = _make_feeds(meta_graph)
            consumed = {name.lstrip("^") for node in meta_graph.graph_def.node for name in node.input}
            consumed |= {name if ":" in name else f"{name}:0" for name in consumed}
            replaced = {name: feed for name, feed in self._feeds.items() if name in consumed}
            self._session = tf.compat.v1.Session(graph=graph)
            try:
                with _without_deprecation_notice():
                    tf.compat.v1.saved_model.load(self._session, _TAGS, str(folder), input_map=replaced)
            except BaseException:
                self._session.close()
                raise
        graph.finalize()

    def run(
        self, feeds: Mapping[str, np.ndarray], fetches: Sequence[str], timeout: float | None = None
    ) -> list[np.ndarray]:
        """Computes tensors of the graph.

        Args:
            feeds: Name of an input tensor of a signature to its value.
            fetches: Names of the tensors to compute.
            timeout: Seconds until the run is given up; none waits as long as it takes.

        Raises:
            ServingError: A wrong type, whatever the graph refuses, or DEADLINE_EXCEEDED.
        """
        for index, name in enumerate(sorted(feeds)):
            wanted = self._feeds[name].dtype
            given = tf.as_dtype(feeds[name].dtype) if feeds[name].dtype != object else tf.string
            if given != wanted:
                expected, provided = (dtype_name(d.as_datatype_enum) for d in (wanted, given))
                raise invalid_argument(f"Expects arg[{index}] to be {expected} but {provided} is provided")
        options = None
        if timeout is not None:
            options = tf.compat.v1.RunOptions(timeout_in_ms=max(1, round(timeout * 1000)))
        feed_dict = {self._feeds[name]: value for name, value in feeds.items()}
        try:
            values = self._session.run(list(fetches), feed_dict, options=options)
        except (tf.errors.OpError, ValueError, TypeError) as error:
            raise _one_error(error) from error
        return [np.asarray(value) for value in values]

    def close(self) -> None:
        """Frees the variables and tables; no run may be under way."""
        self._session.close()


def _make_feeds(meta_graph: meta_graph_pb2.MetaGraphDef) -> dict[str, tf.Tensor]:
    # A stand-in for every input of every signature, of any shape: TensorFlow Serving leaves it to
    # the graph whether a shape fits, while Python's session would compare it with the placeholder.
    feeds: dict[str, tf.Tensor] = {}
    for signature in meta_graph.signature_def.values():
        for info in signature.inputs.values():
            if info.WhichOneof("encoding") == "name" and info.name not in feeds:
                feeds[info.name] = tf.compat.v1.placeholder(tf.as_dtype(info.dtype), None)
    return feeds


def _one_error(error: Exception) -> ServingError:
    if isinstance(error, tf.errors.OpError):
        return error_of_exception(error)
    return invalid_argument(str(error))


class _LoaderNotice(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return "loader_impl" not in record.getMessage()


@contextlib.contextmanager
def _without_deprecation_notice() -> Iterator[None]:
    # The session loader is the C++ server's own path; that Python users should prefer another one
    # is of no use to somebody who runs a server.
    notice, logger = _LoaderNotice(), tf.get_logger()
    logger.addFilter(notice)
    try:
        yield
    finally:
        logger.removeFilter(notice)
