"""TensorFlow's import without its chatter, for a terminal that a person reads."""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

__all__ = ["import_tensorflow"]

# Notices of its C++ part, which come before any log level is read: about CPU instructions, oneDNN,
# and the CUDA driver that a machine without a GPU does not have.
CHATTER = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog|[IW]\d{4} |To enable the following instructions"
    rb"|E\d{4} .*failed call to cuInit"
)


def import_tensorflow() -> None:
    """Imports TensorFlow and its text ops; what they write to stderr is shown, but for known notices."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _filtered_stderr():
        import tensorflow
        import tensorflow_text  # noqa: F401, registers the ops that tokenizers and SavedModels hold

        tensorflow.config.list_physical_devices()
        # The first computation has notices too, but processes that compute together have to be connected before it.
        if not os.environ.get("TF_CONFIG"):
            tensorflow.constant(0)


@contextlib.contextmanager
def _filtered_stderr() -> Iterator[None]:
    # C++ writes to the descriptor, not to sys.stderr.
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            captured.seek(0)
            for line in captured:
                if not CHATTER.match(line):
                    os.write(2, line)
