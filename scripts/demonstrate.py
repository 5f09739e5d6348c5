"""What `make run` shows: the example documents are indexed and a question is answered.

The library is made in a temporary folder and removed afterwards, so that the
demonstration is the same every time and leaves nothing behind.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent.parent
NOT_FOUND = 3


def show(*arguments: str, expected: int = 0) -> None:
    """Print a command as it is typed and run it; stop if it ends otherwise than expected."""
    print(f"\n$ openbook {shlex.join(arguments)}", flush=True)
    code = subprocess.run([sys.executable, "-m", "openbook", *arguments], cwd=HERE, check=False).returncode
    if code != expected:
        sys.exit(f"This should have ended with exit code {expected}, but it was {code}.")


def main() -> None:
    """Index, ask something that is there, and something that is not."""
    questions = sys.argv[1:]
    with TemporaryDirectory(prefix="openbook-demonstration-") as folder:
        os.environ["OPENBOOK_LIBRARY"] = str(Path(folder) / "library")
        show("add", "examples/documents")
        for question in questions:
            show("ask", question)
        show("ask", "Who won the football world cup in 1998?", expected=NOT_FOUND)


if __name__ == "__main__":
    main()
