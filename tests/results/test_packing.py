"""Stored digits: ten significant bits, gaps and signs as they were."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

from xkd_core.results.packing import packed, rounded


def test_values_keep_a_part_in_a_thousand_and_the_rest_is_as_it_was():
    values = np.array([0.12344, -0.99996, 1.0, 0.0, 204.0816, -6965.83, np.nan, np.inf])
    rows = pd.DataFrame({"value": values, "index": range(8), "why": ["a", None] * 4})
    found = pd.read_parquet(io.BytesIO(packed(rows)))
    assert found["value"].dtype == np.float32 and list(found["index"]) == list(range(8))
    np.testing.assert_allclose(found["value"][:6], values[:6], rtol=1 / 1024)
    assert found["value"][2] == 1 and found["value"][3] == 0
    assert np.isnan(found["value"][6]) and found["value"][7] == np.inf
    assert found["why"].isna().tolist() == [False, True] * 4


def test_rounding_is_half_to_even_and_again_changes_nothing():
    step = 2.0**-9
    values = np.array([1 + 0.5 * step, 1 + 1.5 * step, 1 + 0.49 * step, -(1 + 0.51 * step)])
    np.testing.assert_array_equal(rounded(values), np.array([1.0, 1 + 2 * step, 1.0, -(1 + step)], dtype=np.float32))
    many = np.random.default_rng(0).lognormal(3, 2, 1000)
    np.testing.assert_array_equal(rounded(rounded(many).astype(np.float64)), rounded(many))


def test_values_are_rounded_to_one_in_a_thousand_whatever_their_size() -> None:
    generator = np.random.default_rng(0)
    values = np.concatenate([generator.normal(size=1000) * 10.0 ** generator.integers(-20, 20, 1000), [0.0, 1.0, -1.0]])
    found = rounded(values)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, values, rtol=2**-10)
    assert found[-3:].tolist() == [0.0, 1.0, -1.0]
    assert np.isnan(rounded(np.array([np.nan]))).all() and np.isinf(rounded(np.array([np.inf]))).all()
    assert (found.view(np.uint32) & 0x3FFF == 0).all()  # 14 bits are free
