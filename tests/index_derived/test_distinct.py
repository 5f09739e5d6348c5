"""Ids once each: the same as numpy, without what numpy imports for it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from openbook.index.distinct import distinct


@given(st.lists(st.integers(min_value=-(2**63), max_value=2**63 - 1)))
def test_ids_are_those_of_numpy(ids: list[int]) -> None:
    array = np.array(ids, dtype=np.int64)
    found = distinct(array)
    assert found.dtype == np.int64
    assert found.tolist() == np.unique(array).tolist()


def test_masked_arrays_are_not_imported() -> None:
    code = (
        "import sys, numpy as np; from openbook.index.distinct import distinct; "
        "distinct(np.array([2, 1, 2])); assert 'numpy.ma' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
