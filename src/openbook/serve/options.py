"""What a server is told when it starts: one frozen value, read from the command line and the environment.

Refused: a second settings file. Where a library is served, and to whom, is a
matter of the one process that serves it.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

from openbook.errors import UsageError

LogForm: TypeAlias = Literal["text", "json"]

LEAST_TOKEN: Final = 16
"""Characters of a token. A shorter one can be guessed in spite of all brakes."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """All options of a server. Sizes are in bytes, times in seconds.

    `token` is what everybody but a loopback server asks for; "" means none.
    `models` are the language models that a caller may name, besides the one
    that a library is set to and "none". `folders` may be read and synchronised
    on request, besides those that a library holds already. `hosts` are the
    names, besides the loopback ones, under which this server may be called.
    `upload_bytes` limits one file, `body_bytes` any other request. `requests_per_minute` holds for each
    client. A removal can be undone for `undo_seconds`. `grace_seconds` is how
    long running work may take to end when the server stops. A client that says
    nothing for `stall_seconds` in the middle of a request, or reads nothing of
    its answer, is let go. `connections` and `streams` (answers as they are
    written, progress of jobs) are the most at the same time. `proxies` are the
    addresses of reverse proxies whose word on who calls is believed.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token: str = field(default="", repr=False)
    models: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()
    hosts: tuple[str, ...] = ()
    upload_bytes: int = 1_000_000_000
    body_bytes: int = 2_000_000
    requests_per_minute: int = 6_000
    undo_seconds: float = 10.0
    grace_seconds: float = 20.0
    stall_seconds: float = 30.0
    connections: int = 1_000
    streams: int = 100
    proxies: tuple[str, ...] = ()
    web: bool = True
    metrics: bool = False
    log_form: LogForm = "text"

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise UsageError(f"The port is {self.port!r}; expected 0 to 65535 (0 means any free one).")
        for name in ("upload_bytes", "body_bytes", "requests_per_minute", "connections", "streams"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)!r}; expected 1 or more.")
        if self.token and len(self.token) < LEAST_TOKEN:
            raise UsageError(
                f"The token has {len(self.token)} characters; expected {LEAST_TOKEN} or more. Make one with: "
                'python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
            )
        if not self.token.isascii() or not self.token.isprintable() or " " in self.token:
            raise UsageError(
                "The token has characters that a header does not carry; expected ASCII without blanks."
            )

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
