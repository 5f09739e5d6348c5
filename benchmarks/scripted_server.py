"""A scripted language model in a process of its own, for measuring how soon requests arrive.

Prints its address, then the moment (`time.monotonic()`) at which each request
arrived; ends when its standard input is closed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from tests.model_server.server import ModelServer, Say


def main() -> None:
    """Serve until the parent closes the pipe."""
    seen = 0

    def reply(body: Mapping[str, Any]) -> Say:
        nonlocal seen
        del body
        print(server.requests[seen].at, flush=True)
        seen += 1
        return Say("It is as the first place says [1].")

    with ModelServer([reply]) as server:
        print(server.base_url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
