"""A command of tfdomain in a process of its own, which gives all its memory back and ends with its parent.

python -m tfdomain.training.child_process train experiment.yaml
"""

import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from tfdomain.errors import InputError, TfdomainError

__all__ = ["run_command"]

INPUT_ERROR = InputError.exit_code
ERROR = "error: "
READ_BYTES = 65_536


def run_command(arguments: Sequence[str], log: Path) -> None:
    """Runs a command of tfdomain to its end; the child ends too if this process does, however it is killed.

    Args:
        arguments: The command and its options.
        log: The file that its output is added to.

    Raises:
        InputError: The command found a mistake; what it said of it.
        TfdomainError: It failed otherwise.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as output:
        begin = output.tell()
        command = [sys.executable, "-m", "tfdomain.training.child_process", *arguments]
        # Nothing is ever written to the pipe: its other end tells the child when this process is no more.
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT) as process:
            code = process.wait()
    if code:
        raise _failure(code, log, begin)


def _failure(code: int, log: Path, begin: int) -> TfdomainError:
    with open(log, "rb") as file:
        file.seek(max(begin, log.stat().st_size - READ_BYTES))
        lines = [line.strip() for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
    if code < 0:
        why = " (is memory short?)" if -code == signal.SIGKILL else ""
        problem = f"the process was ended by {signal.Signals(-code).name}{why}"
        return TfdomainError(problem, where=str(log), mend="run the same command again to go on")
    told = next((line.removeprefix(ERROR) for line in reversed(lines) if line.startswith(ERROR)), None)
    if told is not None:
        return (InputError if code == INPUT_ERROR else TfdomainError)(told)
    return TfdomainError(lines[-1] if lines else f"ended with exit code {code}", where=str(log))


def _end_with_parent() -> None:
    # Not `sys.stdin`, whose lock Python wants to have when it ends.
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv[0] = "tfdomain"
    runpy.run_module("tfdomain", run_name="__main__")
