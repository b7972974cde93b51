"""TensorBoard on the runs of a folder."""

import contextlib
import logging
import os
import threading
from pathlib import Path

from tfdomain.errors import InputError, TfdomainError
from tfdomain.serving.ports import bind_port

__all__ = ["serve_board", "start_board"]

LOGS = "tfevents"


def serve_board(folder: Path, *, host: str = "127.0.0.1", port: int = 6006) -> None:
    """Shows the runs of a folder in TensorBoard until interrupted; the arguments and errors are `start_board`'s."""
    print(f"TensorBoard on {folder}: {start_board(folder, host=host, port=port)}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def start_board(folder: Path, *, host: str = "127.0.0.1", port: int = 6006) -> str:
    """Starts TensorBoard in a thread of this process, which ends with it.

    Args:
        folder: A run's folder, or one with runs anywhere in it; runs that come later are shown too.
        host: The address to listen on.
        port: Where; 0 takes a free port.

    Returns:
        The address of its page.

    Raises:
        InputError: There is no such folder, there are no logs in it, or the host is no address of this machine.
        TfdomainError: The port cannot be had, or TensorBoard is not installed.
    """
    _check_logs(folder)
    try:
        from tensorboard import default, program
    except ImportError as error:
        mend = "install it: pip install 'tensorboard>=2.21,<2.22'"
        raise TfdomainError(f"TensorBoard cannot be imported ({error})", mend=mend) from error
    # TensorBoard tells of a taken port as well, but of a wrong host by a traceback.
    bind_port(host, port, "--port").close()
    board = program.TensorBoard(plugins=default.get_plugins())
    board.configure(argv=["tfdomain board"], logdir=str(folder), host=host, port=port)
    # Its server would log every request.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    try:
        return board.launch()
    except program.TensorBoardServerException as error:
        mend = "choose another --host or --port"
        raise TfdomainError(f"TensorBoard does not start ({error.msg})", mend=mend) from error


def _check_logs(folder: Path) -> None:
    if not folder.is_dir():
        problem = "is a file, not a folder" if folder.exists() else "no such folder"
        mend = "name a run's folder, or a folder of runs; `tfdomain train` makes one"
        raise InputError(problem, where=str(folder), mend=mend)
    names = (name for _, _, files in os.walk(folder, followlinks=True) for name in files)
    if not any(LOGS in name for name in names):
        mend = "name the folder of a run that has begun, or one with such folders in it"
        raise InputError("holds no logs of TensorBoard", where=str(folder), mend=mend)
