"""What a run ran on: versions, machine, commit, data."""

import importlib.metadata
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfdomain.version import __version__

__all__ = ["describe_environment", "versions"]

PACKAGES = ("tensorflow", "tensorflow-text", "keras", "numpy", "pandas", "pyarrow")


def describe_environment(*, data_sha256: dict[str, str], seed: int, folder: Path) -> dict[str, Any]:
    """Versions, devices, seed, the SHA-256 of each data file, the experiment's folder and its git commit."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "command": sys.argv,
        "versions": versions(),
        "devices": [device.name for device in tf.config.list_physical_devices()],
        "seed": seed,
        "experiment_folder": str(folder.resolve()),
        "data_sha256": data_sha256,
        "commit": _commit(folder),
    }


def versions() -> dict[str, str]:
    """The versions of this package and of those that results hang on."""
    return {"tfdomain": __version__} | {name: importlib.metadata.version(name) for name in PACKAGES}


def _commit(folder: Path) -> str | None:
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
