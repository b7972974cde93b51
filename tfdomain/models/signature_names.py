"""Inputs of a SavedModel under any name.

TensorFlow takes the names of a signature's inputs from the arguments of a Python function and makes
identifiers of them. A column of a file may be called `home ownership` or `年收入`: trace the function under
plain names, and rename them in what was written.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorflow.core.protobuf import saved_model_pb2

from tfdomain.files import whole_file

__all__ = ["rename_inputs"]


def rename_inputs(saved_model: str | os.PathLike, names: Mapping[str, str]) -> None:
    """Renames inputs in every signature of a SavedModel, for servers and for `tf.saved_model.load`.

    Only a loaded signature's `structured_input_signature` goes on showing the plain names.

    Args:
        saved_model: The folder of the SavedModel.
        names: The new name of each input, by the name that it was traced under.

    Reference: TensorFlow's `meta_graph.proto` (SignatureDef) and `saved_object_graph.proto`.
    """
    path = Path(saved_model) / "saved_model.pb"
    proto = saved_model_pb2.SavedModel()
    proto.ParseFromString(path.read_bytes())
    for graph in proto.meta_graphs:
        for signature in graph.signature_def.values():
            _rename_keys(signature.inputs, names)
        for node in graph.object_graph_def.nodes:
            if node.WhichOneof("kind") == "bare_concrete_function":
                keywords = node.bare_concrete_function.argument_keywords
                keywords[:] = [names.get(keyword, keyword) for keyword in keywords]
    with whole_file(path, "wb") as file:
        file.write(proto.SerializeToString(deterministic=True))


def _rename_keys(entries: Any, names: Mapping[str, str]) -> None:
    # All are taken out before one comes in: a new name may be another's old one.
    renamed = {names.get(key, key): type(entry).FromString(entry.SerializeToString()) for key, entry in entries.items()}
    entries.clear()
    for key, entry in renamed.items():
        entries[key].CopyFrom(entry)
