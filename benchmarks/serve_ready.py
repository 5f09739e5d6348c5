"""How long `openbook serve` takes from the start of its process until it is ready to answer.

    python -m benchmarks.serve_ready LIBRARY [--runs 7] [--no-web]

Ready means that GET /api/ready answers 200: every library is open, and its
embedding model is loaded. The processor time of the server until then is told
as well, for it does not depend on what else the machine is doing.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

BUDGET: Final = 3.0
PAUSE: Final = 0.02
LONGEST: Final = 120.0
_ADDRESS: Final = re.compile(r"http://([\d.]+):(\d+)")


def main() -> int:
    """Start and stop the server several times, and print the medians."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("library", type=Path)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--no-web", action="store_true")
    arguments = parser.parse_args()
    extra = ["--no-web"] if arguments.no_web else []
    measured = [_once(arguments.library, extra) for _ in range(arguments.runs)]
    seconds = statistics.median(wall for wall, _ in measured)
    processor = statistics.median(used for _, used in measured)
    each = ", ".join(f"{wall:.2f}" for wall, _ in measured)
    print(f"ready after {seconds:.2f} s (median of {each}); processor {processor:.2f} s; budget {BUDGET} s")
    return 0 if seconds <= BUDGET else 1


def _once(library: Path, extra: list[str]) -> tuple[float, float]:
    """Seconds until ready, and processor seconds used by then."""
    command = [sys.executable, "-m", "openbook", "serve", "--port", "0", "--library", str(library), *extra]
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            found = next(match for line in server.stdout if (match := _ADDRESS.search(line)))
            while not _ready(found[1], int(found[2])):
                if time.perf_counter() - started > LONGEST:
                    raise SystemExit(f"The server was not ready after {LONGEST:.0f} s.")
                time.sleep(PAUSE)
            return time.perf_counter() - started, _processor_seconds(server.pid)
        finally:
            server.terminate()


def _ready(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=LONGEST)
    try:
        connection.request("GET", "/api/ready")
        return connection.getresponse().status == 200
    finally:
        connection.close()


def _processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
