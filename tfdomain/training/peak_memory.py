"""How much memory this process took."""

import resource
import sys
from pathlib import Path

__all__ = ["peak_memory_bytes"]


def peak_memory_bytes() -> int:
    """The most memory that the process has had at once, in bytes."""
    status = Path("/proc/self/status")
    if status.is_file():
        # What getrusage tells on Linux is at least the peak of the process that started this one.
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
