"""A command of tfdomain in a process of its own, which gives all its memory back and ends with its parent.

python -m tfdomain.training.child_process train experiment.yaml
"""

import dataclasses
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tfdomain.errors import InputError, TfdomainError
from tfdomain.training.peak_memory import peak_memory_bytes
from tfdomain.training.run_folder import RunFolder

__all__ = ["Limits", "run_command", "train_apart"]

INPUT_ERROR = InputError.exit_code
ERROR = "error: "
MEMORY_LIMIT = "TFDOMAIN_MEMORY_LIMIT_GIB"
READ_BYTES = 65_536
SHOWN_LINES = 50
WATCH_SECONDS = 0.5


@dataclasses.dataclass(frozen=True)
class Limits:
    """How much a process may take; None: as much as there is.

    Attributes:
        minutes: Of time.
        memory_gib: Of memory that it has at once, in GiB.
    """

    minutes: float | None = None
    memory_gib: float | None = None


def train_apart(
    file: Path,
    changes: Sequence[str],
    run: RunFolder,
    *,
    limits: Limits = Limits(),
    watch: Callable[[], None] | None = None,
) -> None:
    """Trains an experiment in a process of its own, or goes on with it; its output is added to a log beside its folder.

    Args:
        file: The experiment file.
        changes: Assignments such as `training.seed=1`.
        run: The run's folder.
        limits: What the process may take.
        watch: Is called twice a second; what it raises ends the process.

    Raises:
        TfdomainError: As `run_command` does.
    """
    arguments = ["train", str(file), "--run-dir", str(run.path)]
    for change in changes:
        arguments += ["--set", change]
    if run.config.is_file():
        arguments.append("--resume")
    run_command(arguments, run.path.with_name(f"{run.path.name}.log"), limits=limits, watch=watch)


def run_command(
    arguments: Sequence[str],
    log: Path,
    *,
    limits: Limits = Limits(),
    watch: Callable[[], None] | None = None,
) -> None:
    """Runs a command of tfdomain to its end; the child ends too if this process does, however it is killed.

    Args:
        arguments: The command and its options.
        log: The file that its output is added to.
        limits: What the process may take.
        watch: Is called twice a second; what it raises ends the process.

    Raises:
        InputError: The command found a mistake; what it said of it.
        TfdomainError: It failed otherwise, or took too much. The error's first note has its last 50 lines of output.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | ({} if limits.memory_gib is None else {MEMORY_LIMIT: str(limits.memory_gib)})
    with open(log, "ab") as output:
        begin = output.tell()
        command = [sys.executable, "-m", "tfdomain.training.child_process", *arguments]
        # Nothing is ever written to the pipe: its other end tells the child when this process is no more.
        # An interrupt is this process' to answer: in a group of its own the child does not get it as well.
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, env=environment, process_group=0
        ) as process:
            try:
                code = _wait(process, limits.minutes, watch)
            except BaseException:
                process.kill()
                raise
    if code != 0:
        raise _failure(code, log, begin, limits)


def _wait(process: subprocess.Popen, minutes: float | None, watch: Callable[[], None] | None) -> int | None:
    """Its exit code; None where it was ended for taking too long."""
    end = None if minutes is None else time.monotonic() + 60 * minutes
    while True:
        left = [] if end is None else [max(end - time.monotonic(), 0)]
        try:
            return process.wait(min([WATCH_SECONDS, *left]) if watch or left else None)
        except subprocess.TimeoutExpired:
            pass
        if watch is not None:
            watch()
        if end is not None and time.monotonic() > end:
            process.kill()
            return None


def _failure(code: int | None, log: Path, begin: int, limits: Limits) -> TfdomainError:
    with open(log, "rb") as file:
        file.seek(max(begin, log.stat().st_size - READ_BYTES))
        lines = [line.rstrip() for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
    error = _told(code, log, lines, limits)
    error.add_note("\n".join(lines[-SHOWN_LINES:]))
    return error


def _told(code: int | None, log: Path, lines: Sequence[str], limits: Limits) -> TfdomainError:
    if code is None:
        mend = "allow it more, or train less"
        return TfdomainError(f"the process took more than {limits.minutes:g} minutes", where=str(log), mend=mend)
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


def _end_beyond(memory_gib: float) -> None:
    # A limit of the system's own is one of addresses, of which TensorFlow asks for many more than it uses.
    while peak_memory_bytes() <= memory_gib * 2**30:
        time.sleep(0.1)
    os.write(2, f"\n{ERROR}the process had more than {memory_gib:g} GiB of memory\n".encode())
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if MEMORY_LIMIT in os.environ:
        threading.Thread(target=_end_beyond, args=[float(os.environ[MEMORY_LIMIT])], daemon=True).start()
    sys.argv[0] = "tfdomain"
    runpy.run_module("tfdomain", run_name="__main__")
