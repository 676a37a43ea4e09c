"""Areas, monotone steps and ROAD's gap on curves worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from xkd_core.errors import BadInputError
from xkd_core.metrics.curves import area, monotonicity, monotonicity_share, relative_area, road


def test_the_area_is_that_of_trapezoids_over_a_way_of_length_one() -> None:
    assert area([[1.0, 1.0, 1.0], [1.0, 0.5, 0.0], [0.0, 1.0, 0.0]]).tolist() == [1.0, 0.5, 0.5]
    curve = np.random.default_rng(0).random((4, 29))  # RISE: 28 steps
    rise = (curve.sum(axis=1) - curve[:, 0] / 2 - curve[:, -1] / 2) / 28
    np.testing.assert_allclose(area(curve), rise)
    assert np.isnan(area([[1.0, np.nan, 0.0]]))


def test_the_relative_area_is_undefined_where_the_answer_is_zero() -> None:
    found = relative_area([[0.5, 0.25], [0.5, 0.25], [0.5, 0.25]], [0.5, 0.0, np.nan])
    assert found[0] == 0.75
    assert np.isnan(found[1:]).all()


def test_monotone_is_never_falling_and_standing_still_is_not_falling() -> None:
    curves = [[0.1, 0.1, 0.3], [0.1, 0.3, 0.2], [0.3, 0.2, 0.1], [0.1, np.nan, 0.2]]
    assert monotonicity(curves)[:3].tolist() == [1.0, 0.0, 0.0]
    assert monotonicity_share(curves)[:3].tolist() == [1.0, 0.5, 0.0]
    assert np.isnan(monotonicity(curves)[3])
    assert np.isnan(monotonicity_share(curves)[3])


def test_road_is_half_the_mean_gap() -> None:
    assert road([[0.9, 0.7]], [[0.5, 0.1]]) == pytest.approx([(0.4 + 0.6) / 4])
    assert road([[1.0]], [[0.0]]).tolist() == [0.5]
    assert road([[0.3, 0.4]], [[0.3, 0.4]]).tolist() == [0.0]


def test_a_curve_needs_two_points() -> None:
    for bad in ([[1.0]], [1.0, 0.5]):
        with pytest.raises(BadInputError, match="at least two points"):
            area(bad)
