"""The files of a form (`multipart/form-data`, RFC 7578) as streams, one after the other, as they arrive.

Starlette's own parser writes whole files to the system's temporary folder
first, which may be memory, and knows no limit of a file's size. Here the next
block of the request is only read when whoever writes the file asks for it, so
that a slow disk slows the sender down and a file of any size needs a few
kilobytes of memory.

Refused: fields that are no files. What a form says beside them is read and
dropped; options are parameters of the address.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from openbook.serve.problems import BODY_BROKEN, ProblemError

MOST_PARTS: Final = 10_000
DEFAULT_NAME: Final = "upload"

_Piece: TypeAlias = tuple[Literal["begin"], str] | tuple[Literal["data"], bytes] | tuple[Literal["end"], None]


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file as it arrives. `content` can be read once, and only until the next file is asked for."""

    name: str
    content: AsyncIterator[bytes]


class FileParts:
    """The files of one form. Iterate over it; what of a file was not read is skipped.

    Raises ProblemError for a body that is no form, that ends too early or has
    too many parts.
    """

    def __init__(self, content_type: str, body: AsyncIterator[bytes]) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise _broken("it is no form; send multipart/form-data with a boundary")
        self._body = body
        self._pieces: deque[_Piece] = deque()
        self._header = _Header()
        self._parts = 0
        self._complete = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._header.add_name,
                    "on_header_value": self._header.add_value,
                    "on_header_end": self._header.end,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": self._data,
                    "on_part_end": lambda: self._pieces.append(("end", None)),
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _broken(f"its boundary is not allowed ({error})") from error

    async def __aiter__(self) -> AsyncGenerator[FilePart, None]:
        """Yield the files in the order in which they were sent."""
        while (piece := await self._next()) is not None:
            if piece[0] != "begin":
                continue
            async with aclosing(self._content()) as content:
                if piece[1]:
                    yield FilePart(piece[1], content)
                async for _ in content:
                    pass

    async def _content(self) -> AsyncGenerator[bytes, None]:
        while (piece := await self._next()) is not None:
            if piece[0] == "end":
                return
            if piece[0] == "data":
                yield piece[1]

    async def _next(self) -> _Piece | None:
        """The next piece; None at the end of the form."""
        while not self._pieces:
            if self._complete:
                return None
            block = await anext(self._body, None)
            if block is None:
                raise _broken("it ends in the middle of the form")
            try:
                self._parser.write(block)
            except FormParserError as error:
                raise _broken(f"its form is not well formed ({error})") from error
        return self._pieces.popleft()

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise _broken(f"its form has more than {MOST_PARTS:,} parts")
        self._header.values.clear()

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._header.values.get("content-disposition", b""))
        if b"filename" not in options:
            self._pieces.append(("begin", ""))
            return
        name = options[b"filename"].decode("utf-8", "replace")
        self._pieces.append(("begin", name.strip() or DEFAULT_NAME))

    def _data(self, block: bytes, start: int, end: int) -> None:
        self._pieces.append(("data", block[start:end]))

    def _end(self) -> None:
        self._complete = True


class _Header:
    """The headers of the part that is being read. Values are bytes, names in small letters."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self._name = b""
        self._value = b""

    def add_name(self, block: bytes, start: int, end: int) -> None:
        self._name += block[start:end]

    def add_value(self, block: bytes, start: int, end: int) -> None:
        self._value += block[start:end]

    def end(self) -> None:
        self.values[self._name.decode("latin-1").lower()] = self._value
        self._name = self._value = b""


def _broken(why: str) -> ProblemError:
    return ProblemError(BODY_BROKEN, f"The body cannot be read: {why}.")
