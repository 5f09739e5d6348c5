"""A linear map of the question's vector, learned for one library (in `openbook.lab.adapter`), applied here.

No document is embedded again: a question's unit vector q becomes
normalise(W q), and W lies near the identity. An adapter is data. It is kept as
JSON with base64 numbers, so that reading one made by somebody else runs nothing;
what does not fit exactly (size, checksum, a number that is not finite) is
refused. It carries the fingerprint of the embedder that it was learned with and
never meets another one's vectors.

Refused: pickles and files beside the ledger (an export would lose them), and
adapting the documents' side, which would make every vector of the library
depend on it.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from openbook.errors import LibraryDamaged, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openbook.types import FloatMatrix

VERSION: Final = 1
_LARGEST: Final = 4096
"""Dimensions; a square of more is nobody's adapter."""


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """W as its difference from the identity: `change` has shape (dimension, dimension), float16.

    `id` is a checksum of all the rest, so that equal adapters have equal ids.
    """

    fingerprint: str
    change: NDArray[np.float16]

    def __post_init__(self) -> None:
        shape = self.change.shape
        if len(shape) != 2 or shape[0] != shape[1] or not 1 <= shape[0] <= _LARGEST:
            raise UsageError(f"An adapter has shape {shape!r}; expected a square of 1 to {_LARGEST}.")
        if self.change.dtype != np.float16 or not np.isfinite(self.change).all():
            raise UsageError("An adapter holds finite float16 numbers only; this one holds others.")

    @property
    def id(self) -> str:
        """Eight bytes of BLAKE2b over version, fingerprint and numbers, in hexadecimal."""
        return _digest(self.fingerprint, _little_endian(self.change))[:16]

    @property
    def dimension(self) -> int:
        """Length of the vectors that it maps."""
        return int(self.change.shape[0])

    def adapted(self, rows: FloatMatrix) -> FloatMatrix:
        """normalise(W q) for each row q: unit rows of the same shape. A row that W would erase stays."""
        mapped = rows + rows @ self.change.astype(np.float32).T
        lengths = np.linalg.norm(mapped, axis=1, keepdims=True)
        unit = np.where(lengths > 1e-6, mapped / np.maximum(lengths, 1e-6), rows)
        return np.ascontiguousarray(unit, dtype=np.float32)


def adapter_of(matrix: NDArray[Any], fingerprint: str) -> Adapter:
    """The adapter that maps with `matrix`, rounded to what is kept of it."""
    change = np.asarray(matrix, dtype=np.float32) - np.eye(len(matrix), dtype=np.float32)
    return Adapter(fingerprint, change.astype(np.float16))


def written(adapter: Adapter) -> str:
    """The adapter as a text that `read_adapter` reads."""
    numbers = _little_endian(adapter.change)
    return json.dumps(
        {
            "version": VERSION,
            "fingerprint": adapter.fingerprint,
            "dimension": adapter.dimension,
            "blake2b": _digest(adapter.fingerprint, numbers),
            "numbers": base64.b64encode(numbers).decode("ascii"),
        }
    )


def read_adapter(text: str) -> Adapter:
    """Read what `written` wrote. Raises LibraryDamaged for anything else."""
    try:
        found = json.loads(text)
        version, fingerprint, dimension = found["version"], found["fingerprint"], found["dimension"]
        numbers = base64.b64decode(found["numbers"], validate=True)
        checksum = found["blake2b"]
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error) as error:
        raise LibraryDamaged(f"An adapter cannot be read ({error!r}).") from error
    if version != VERSION:
        raise LibraryDamaged(f"An adapter has version {version!r}; this program knows {VERSION}.")
    if not isinstance(dimension, int) or not 1 <= dimension <= _LARGEST or len(numbers) != 2 * dimension**2:
        raise LibraryDamaged(f"An adapter says dimension {dimension!r} and holds {len(numbers)} bytes.")
    if not isinstance(fingerprint, str) or _digest(fingerprint, numbers) != checksum:
        raise LibraryDamaged("An adapter is not what its checksum says.")
    change = np.frombuffer(numbers, dtype="<f2").astype(np.float16).reshape(dimension, dimension)
    if not np.isfinite(change).all():
        raise LibraryDamaged("An adapter holds numbers that are not finite.")
    return Adapter(fingerprint, change)


def _little_endian(change: NDArray[np.float16]) -> bytes:
    return change.astype("<f2").tobytes()


def _digest(fingerprint: str, numbers: bytes) -> str:
    digest = blake2b(f"{VERSION}\n{fingerprint}\n".encode(), digest_size=32)
    digest.update(numbers)
    return digest.hexdigest()
