"""Numbers in paths: `{document_id:number}`.

Starlette's own `int` hands any row of digits to Python, which refuses to read
one of more than 4,300, and a client's mistake would look like the server's.
How large a number may be is for each route to say.
"""

from __future__ import annotations

from starlette.convertors import Convertor, register_url_convertor


class NumberConvertor(Convertor[int]):
    """A whole number of at most a thousand digits."""

    regex = "[0-9]{1,1000}"

    def convert(self, value: str) -> int:
        """The number that the digits write."""
        return int(value)

    def to_string(self, value: int) -> str:
        """Its digits."""
        return str(value)


register_url_convertor("number", NumberConvertor())
