"""Stored digits: four decimals up to 1, eleven significant bits above, gaps and signs as they were."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

from xkd_core.results.packing import packed, rounded


def test_small_values_keep_four_decimals_and_large_ones_a_part_in_two_thousand():
    values = np.array([0.12344, -0.99996, 1.0, 0.0, 204.0816, -6965.83, np.nan, np.inf])
    found = pd.read_parquet(io.BytesIO(packed(pd.DataFrame({"value": values, "index": range(8)}))))
    assert found["value"].dtype == np.float32 and list(found["index"]) == list(range(8))
    np.testing.assert_allclose(found["value"][:4], [0.1234, -1.0, 1.0, 0.0], rtol=1e-7)
    np.testing.assert_allclose(found["value"][4:6], values[4:6], rtol=1 / 2048)
    assert np.isnan(found["value"][6]) and found["value"][7] == np.inf


def test_rounding_is_half_to_even_and_again_changes_nothing():
    step = 2.0**-10
    values = np.array([1 + 0.5 * step, 1 + 1.5 * step, 1 + 0.49 * step, -(1 + 0.51 * step)])
    np.testing.assert_array_equal(rounded(values), np.array([1.0, 1 + 2 * step, 1.0, -(1 + step)], dtype=np.float32))
    many = np.random.default_rng(0).lognormal(3, 2, 1000)
    np.testing.assert_array_equal(rounded(rounded(many).astype(np.float64)), rounded(many))
