"""Several requests to one model at the same time, all replies waited for.

Refused: `ThreadPoolExecutor`, which waits at the end of the process for every
request that has begun, so that Ctrl-C would hang for as long as a server is
silent; and an exception for one failed reply among several, which would throw
away what the others wrote.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from typing import TypeAlias

from openbook.answer.language_model import Reply
from openbook.answer.model_session import BROKEN, Session, Spoken
from openbook.errors import KeyRefused, LanguageModelError, ModelUnknown
from openbook.types import Message

Ended: TypeAlias = tuple[Spoken, LanguageModelError | None]
"""What arrived of a reply, and why it broke off, if it did."""


def side_by_side(requests: Sequence[Sequence[Message]], session: Session, limit: int) -> list[Ended]:
    """The replies of at most `limit` tokens to some requests, in their order, `session.parallel` at a time.

    Raises what would fail every request (KeyRefused, ModelUnknown) and what is
    no LanguageModelError. However this ends, running replies are stopped.
    """
    work = _Work(requests, session, limit)
    for number in range(min(session.parallel, len(requests))):
        threading.Thread(target=work.run, name=f"openbook-part-{number}", daemon=True).start()
    ended: dict[int, Ended] = {}
    try:
        while len(ended) < len(requests):
            index, spoken, error = work.ended.get()
            if error is not None and (not isinstance(error, LanguageModelError) or _is_final(error)):
                raise error
            ended[index] = spoken, error
    finally:
        work.stop()
        for reply in work.replies:
            session.add(reply)
    return [ended[index] for index in range(len(requests))]


def _is_final(error: BaseException) -> bool:
    """Whether every other request would fail for the same reason."""
    return isinstance(error, KeyRefused | ModelUnknown)


class _Work:
    """Requests that threads take one by one. `ended` receives what became of each."""

    def __init__(self, requests: Sequence[Sequence[Message]], session: Session, limit: int) -> None:
        self.ended: queue.SimpleQueue[tuple[int, Spoken, BaseException | None]] = queue.SimpleQueue()
        self.replies: list[Reply] = []
        self._session = session
        self._requests = requests
        self._limit = limit
        self._next = iter(range(len(requests)))
        self._state = threading.Lock()
        self._stopped = False

    def run(self) -> None:
        """Take requests until none is left or nobody waits for them any more."""
        while (index := self._take()) is not None:
            spoken = Spoken()
            try:
                self._read(index, spoken)
            except BaseException as error:  # noqa: BLE001 (raised again by who waits for the replies)
                spoken.finish = BROKEN
                if _is_final(error):
                    self.stop()
                self.ended.put((index, spoken, error))
            else:
                self.ended.put((index, spoken, None))

    def stop(self) -> None:
        """Begin nothing more, and leave the replies that are under way."""
        with self._state:
            self._stopped = True
            replies = list(self.replies)
        for reply in replies:
            reply.__exit__(None, None, None)

    def _take(self) -> int | None:
        with self._state:
            return None if self._stopped else next(self._next, None)

    def _read(self, index: int, spoken: Spoken) -> None:
        reply = self._session.ask(self._requests[index], self._limit)
        with self._state:
            if self._stopped:
                return
            self.replies.append(reply)
        with reply:
            for piece in reply:
                if isinstance(piece, str):
                    spoken.text += piece
                if self._stopped:
                    return
        spoken.finish = reply.finish
