import subprocess
import sys

SCRIPT = """
import os, sys
from tfdomain.startup import import_tensorflow, without_chatter

import_tensorflow()
assert "tensorflow_text" in sys.modules
with without_chatter():
    os.write(2, b"I0000 00:00:1.2 3 port.cc:1] a notice of the C++ part\\nsomething that matters\\n")
    print("from Python", file=sys.stderr)
print("after", file=sys.stderr)
"""


def test_import_shows_what_matters_and_no_notices(tmp_path):
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout == ""
    assert done.stderr.splitlines() == ["something that matters", "from Python", "after"]


def test_threads_are_set_before_tensorflow_begins():
    script = """
from tfdomain.startup import import_tensorflow
import_tensorflow(3)
import tensorflow as tf
print(tf.config.threading.get_intra_op_parallelism_threads(), tf.config.threading.get_inter_op_parallelism_threads())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3", "3"]
