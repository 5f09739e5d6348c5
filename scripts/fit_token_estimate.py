"""Fits the numbers of `openbook.backends.token_estimate`, and says how far to trust them.

    python scripts/fit_token_estimate.py texts.jsonl \\
        --large cl100k=rs_bpe:cl100k_base --large o200k=rs_bpe:o200k_base \\
        --large tekken=tekken_240911.json --large claude2=tokenizer.json \\
        --large-english minilm=minilm/tokenizer.json --small sp32k=tokenizer.model.v1

`texts.jsonl` holds one {"kind": ..., "text": ...} a line. A tokenizer is a
`tokenizer.json` of the tokenizers library, a SentencePiece model, the
vocabulary file of Mistral's tekken, or an encoding of the rs_bpe package; what
reads it has to be installed (rs_bpe, sentencepiece, scipy are no dependencies
of openbook). A WordPiece vocabulary made for English counts for those kinds
only that do not begin with "language" or are noise.

The fit is a linear program: the least sum of estimate / truth, where truth is
the highest count of all tokenizers and every shortfall below it costs PRICE.
Printed are, cross-validated, how many samples are estimated too low, and the
sum of the estimates over the sum of the truth for each kind and tokenizer. The
last lines are the numbers to put into `token_estimate.py`.

What was fitted: 1,777 samples of 60 to 6,000 characters from English prose,
forum posts, documentation, a book with code, Python code, tables of words and
of numbers, documentation in twelve languages and four scripts more, and noise
(hex, base64, random letters and signs).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from openbook.backends.token_estimate import PARTS, parts_of

Vector: TypeAlias = NDArray[np.float64]
Count: TypeAlias = Callable[[str], int]

PRICE = 60.0
"""What falling short by all of a sample's tokens costs, in samples estimated twice too high."""
MARGIN = 1.03
"""What the fitted weights are multiplied with in the end: other texts are not quite like these."""
FOLDS = 5
BOUNDS = {"function word": (-0.6, 0.0), "byte": (1.0, 1.0), "text": (0.0, 2.0)}


def main() -> int:
    """Count, fit twice, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("texts", type=Path)
    for name in ("--large", "--large-english", "--small"):
        parser.add_argument(name, action="append", default=[], metavar="NAME=TOKENIZER")
    arguments = parser.parse_args()
    rows = [json.loads(line) for line in arguments.texts.read_text(encoding="utf-8").splitlines()]
    kinds = np.array([row["kind"] for row in rows])
    texts = [row["text"] for row in rows]
    parts = np.array([[float(parts_of(text)[name]) for name in PARTS] for text in texts])
    everywhere = counted(arguments.large, texts)
    foreign = np.array([kind.startswith("language") or kind == "noise" for kind in kinds])
    english = {
        name: np.where(foreign, 0, counts) for name, counts in counted(arguments.large_english, texts).items()
    }
    large = everywhere | english
    for label, tokenizers in (("LARGE", large), ("SMALL", large | counted(arguments.small, texts))):
        print(label)
        truth = np.max(list(tokenizers.values()), axis=0)
        report(cross_validated(parts, truth), kinds, tokenizers)
        weights = fitted(parts, truth) * MARGIN
        for name, weight in zip(PARTS, weights, strict=True):
            print(f'    "{name}": {weight:.3f},')
    return 0


def counted(arguments: Sequence[str], texts: Sequence[str]) -> dict[str, Vector]:
    """Tokens of every text, by the name of the tokenizer."""
    found = {}
    for argument in arguments:
        name, _, place = argument.partition("=")
        count = counter(place)
        found[name] = np.array([float(count(text)) for text in texts])
    return found


def counter(place: str) -> Count:
    """The counting function of a tokenizer."""
    if place.startswith("rs_bpe:"):
        encoding: Any = getattr(import_module("rs_bpe").openai, place.removeprefix("rs_bpe:"))()
        return lambda text: int(encoding.count(text))
    if not place.endswith(".json"):
        pieces: Any = import_module("sentencepiece").SentencePieceProcessor(model_file=place)
        return lambda text: len(pieces.encode(text))
    content = json.loads(Path(place).read_text(encoding="utf-8"))
    if "config" in content:
        return tekken(content)
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(place)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False))


def tekken(content: dict[str, Any]) -> Count:
    """Mistral's vocabulary files hold ranks and the pattern of a byte-level BPE."""
    from base64 import b64decode

    import tiktoken

    size = content["config"]["default_vocab_size"] - content["config"]["default_num_special_tokens"]
    ranks = {b64decode(entry["token_bytes"]): entry["rank"] for entry in content["vocab"][:size]}
    encoding = tiktoken.Encoding(
        "tekken", pat_str=content["config"]["pattern"], mergeable_ranks=ranks, special_tokens={}
    )
    return lambda text: len(encoding.encode_ordinary(text))


def fitted(parts: Vector, truth: Vector) -> Vector:
    """The weights of the least total of estimate / truth, shortfalls priced."""
    linprog = import_module("scipy.optimize").linprog
    rows = parts / truth[:, None]
    count = len(truth)
    result = linprog(
        np.concatenate([rows.mean(axis=0), np.full(count, PRICE / count)]),
        A_ub=np.hstack([-rows, -np.eye(count)]),
        b_ub=-np.ones(count),
        bounds=[BOUNDS.get(name, (0.0, 3.0)) for name in PARTS] + [(0.0, None)] * count,
        method="highs",
    )
    if result.status != 0:
        raise RuntimeError(f"The fit failed: {result.message}")
    return np.asarray(result.x[: len(PARTS)], dtype=np.float64)


def cross_validated(parts: Vector, truth: Vector) -> Vector:
    """Estimates of every sample by weights that were fitted without it."""
    order = np.random.default_rng(0).permutation(len(truth))
    estimates = np.zeros(len(truth))
    for fold in np.array_split(order, FOLDS):
        rest = np.setdiff1d(order, fold)
        estimates[fold] = np.ceil(parts[fold] @ fitted(parts[rest], truth[rest]) * MARGIN)
    return estimates


def report(estimates: Vector, kinds: NDArray[np.str_], tokenizers: dict[str, Vector]) -> None:
    """How many samples are too low, the worst one, and how much too high each kind is."""
    for name, truth in tokenizers.items():
        there = truth > 0
        low = int((estimates[there] < truth[there]).sum())
        worst = float((estimates[there] / truth[there]).min())
        print(f"  {name:8} too low: {low} of {int(there.sum())}, lowest ratio {worst:.2f}")
    for kind in sorted(set(kinds)):
        of_kind = kinds == kind
        ratios = [
            f"{name} {estimates[of_kind].sum() / truth[of_kind].sum():.2f}"
            for name, truth in tokenizers.items()
            if truth[of_kind].sum()
        ]
        print(f"  {kind:20} {'  '.join(ratios)}")


if __name__ == "__main__":
    sys.exit(main())
