"""A map from signals to confidence that was fitted to one library's own questions (in `openbook.lab`).

It stands in for the calibration that openbook ships (`openbook.answer.confidence`) where answers are
judged with an embedder. It is data: JSON with a handful of numbers, so that reading one made by
somebody else runs nothing, and what does not fit exactly is refused. It carries
the fingerprint of the embedder whose cosines it was fitted to, and never judges another one's.

Refused: fitting the early judgement too, which decides whether a language model is asked at all.
It errs on the side of asking, and a library's few questions without an answer cannot tell it better.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from hashlib import blake2b
from typing import Final

from openbook.answer.calibration import Calibration
from openbook.answer.confidence import Features
from openbook.errors import LibraryDamaged, UsageError

VERSION: Final = 1
"""Raised when a signal comes to mean something else: older ones are not used then."""
_SIGNALS: Final = frozenset(field.name for field in fields(Features))


@dataclass(frozen=True, slots=True)
class FittedCalibration:
    """Bias and weights of a logistic regression over signals (see `Features`), for one embedder.

    `id` is a checksum of all the rest, so that equal ones have equal ids.
    """

    fingerprint: str
    bias: float
    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        if unknown := sorted(self.weights.keys() - _SIGNALS):
            raise UsageError(f"A calibration weighs {unknown[0]!r}; expected {', '.join(sorted(_SIGNALS))}.")
        if not all(math.isfinite(number) for number in (self.bias, *self.weights.values())):
            raise UsageError("A calibration holds finite numbers only; this one holds others.")

    @property
    def id(self) -> str:
        """Eight bytes of BLAKE2b over version, fingerprint and numbers, in hexadecimal."""
        numbers = [self.bias, *sorted(self.weights.items())]
        text = json.dumps([VERSION, self.fingerprint, numbers])
        return blake2b(text.encode(), digest_size=8).hexdigest()

    @property
    def calibration(self) -> Calibration:
        """What judges with it."""
        return Calibration(self.bias, self.weights)


def written(fitted: FittedCalibration) -> str:
    """The calibration as a text that `read_calibration` reads."""
    row = {
        "version": VERSION,
        "id": fitted.id,
        "fingerprint": fitted.fingerprint,
        "bias": fitted.bias,
        "weights": dict(fitted.weights),
    }
    return json.dumps(row)


def read_calibration(text: str) -> FittedCalibration:
    """Read what `written` wrote. Raises LibraryDamaged for anything else."""
    try:
        row = json.loads(text)
        version, name, fingerprint = row["version"], row["id"], row["fingerprint"]
        bias = float(row["bias"])
        weights = {str(signal): float(weight) for signal, weight in row["weights"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise LibraryDamaged(f"A calibration cannot be read ({error!r}).") from error
    if version != VERSION:
        raise LibraryDamaged(f"A calibration has version {version!r}; this program knows {VERSION}.")
    if not isinstance(fingerprint, str):
        raise LibraryDamaged(f"A calibration names the model {fingerprint!r}; expected its fingerprint.")
    try:
        fitted = FittedCalibration(fingerprint, bias, weights)
    except UsageError as error:
        raise LibraryDamaged(str(error)) from error
    if fitted.id != name:
        raise LibraryDamaged("A calibration is not what its checksum says.")
    return fitted
