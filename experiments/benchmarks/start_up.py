"""How long `tfdomain --help` and `import tfdomain` take: medians of several processes; prints JSON.

python experiments/benchmarks/start_up.py
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

REPEATS = 15


def main() -> None:
    commands = {
        "python": [sys.executable, "-c", "pass"],
        "import tfdomain": [sys.executable, "-c", "import tfdomain"],
        "tfdomain --help": [str(Path(sys.executable).with_name("tfdomain")), "--help"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    # In turns, so that a busy moment of the machine falls on all of them.
    for _ in range(REPEATS):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - started)
    print(json.dumps({name: round(statistics.median(values), 3) for name, values in seconds.items()}))


if __name__ == "__main__":
    main()
