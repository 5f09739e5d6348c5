"""`python -m openbook` is the `openbook` command."""

from __future__ import annotations

from openbook.cli import main

if __name__ == "__main__":
    main()
