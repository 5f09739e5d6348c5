"""From signals to a probability: the logistic regression behind every judgement of an answer.

Refused: a library for it. Applying one is a sum; fitting is done in `scripts/`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights of a logistic regression: probability = 1 / (1 + exp(-(bias + Σ weight · signal)))."""

    bias: float
    weights: Mapping[str, float]

    def probability(self, signals: object) -> float:
        """Probability (0 to 1) for signals that are attributes of these names."""
        total = self.bias + sum(weight * getattr(signals, name) for name, weight in self.weights.items())
        # Both forms of the logistic function, so that exp() never overflows.
        return 1 / (1 + math.exp(-total)) if total >= 0 else math.exp(total) / (1 + math.exp(total))
