"""Write constraints.txt anew: the newest versions that fit, as a clean installation resolves them.

Takes minutes. Run it to move the pins, then run the tests.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent.parent
HEADER = "# Written by `make pins`. Every version that `make run` and `make test` install.\n"


def main() -> None:
    """Install the project with all that its development needs into a new environment, and note what came."""
    with TemporaryDirectory(prefix="openbook-pins-") as folder:
        venv.create(folder, with_pip=True)
        pip = [str(Path(folder) / "bin" / "python"), "-m", "pip"]
        subprocess.run([*pip, "install", "--quiet", f"{HERE}[dev]"], check=True)
        frozen = subprocess.run([*pip, "freeze"], check=True, capture_output=True, text=True).stdout
    pins = [line for line in frozen.splitlines() if "==" in line and not line.startswith("openbook")]
    (HERE / "constraints.txt").write_text(HEADER + "\n".join(pins) + "\n", encoding="utf-8")
    print(f"{len(pins)} versions pinned.", file=sys.stderr)


if __name__ == "__main__":
    main()
