"""A process that adds a folder to a library; tests kill it. Arguments: library, folder."""

from __future__ import annotations

import sys
from pathlib import Path

from openbook.library import Library
from openbook.settings import Settings

if __name__ == "__main__":
    settings = Settings(embedder="hash:64", read_workers=1, chunk_tokens=60)
    with Library(Path(sys.argv[1]), settings=settings) as library:
        sys.stdout.write("opened\n")
        sys.stdout.flush()
        library.add(Path(sys.argv[2]))
    sys.stdout.write("done\n")
