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
