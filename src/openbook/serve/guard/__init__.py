"""What stands between the network and the surfaces: who may call, how much, and what a browser may do.

Each check is an ASGI middleware of its own, outermost first:

    Logged → Headed → Measured → Named → Paced → Admitted → Streams → the surfaces

so that a refusal is logged and has the same headers as an answer, and no body
may stall, that of a login neither. They are plain ASGI and have the attribute
`app`: streams pass through unbuffered, and NiceGUI follows that chain to find
its server.

Refused: CORS. A page of another site has no business with a library; programs
need no permission from a browser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openbook.errors import UsageError
from openbook.serve.guard.access import Admitted
from openbook.serve.guard.bodies import Measured
from openbook.serve.guard.headers import Headed
from openbook.serve.guard.names import Named
from openbook.serve.guard.rates import Paced
from openbook.serve.guard.streams import Streams
from openbook.serve.logs import Logged

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from openbook.serve.logs import Observer
    from openbook.serve.options import ServeOptions


class Guarded:
    """The application behind all checks."""

    def __init__(self, app: ASGIApp, options: ServeOptions, observers: tuple[Observer, ...]) -> None:
        self._streams = Streams(app, options)
        inner = Named(Paced(Admitted(self._streams, options), options), options)
        self.app: ASGIApp = Logged(Headed(Measured(inner, options)), observers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, one WebSocket or the lifespan."""
        await self.app(scope, receive, send)

    def stop(self) -> None:
        """End what would never end by itself, and say to all who ask that the server is not ready."""
        self._streams.stop()


def guarded(app: ASGIApp, options: ServeOptions, *observers: Observer) -> Guarded:
    """The application behind all checks; each observer sees every finished request.

    Raises UsageError where others than this machine can reach the server and
    no token is asked of them.
    """
    if not options.token and not options.loopback:
        raise UsageError(
            f"A server at {options.host!r} can be reached by others, so it needs a token. Set "
            "OPENBOOK_TOKEN, or listen at 127.0.0.1."
        )
    return Guarded(app, options, observers)
