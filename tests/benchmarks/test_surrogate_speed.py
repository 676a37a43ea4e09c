"""Images per second of the attentive student: plain, with its learned map, with Grad-CAM, LIME and RISE.

`pytest tests/benchmarks/test_surrogate_speed.py -s` prints them; nothing is asserted of a clock.
"""

from __future__ import annotations

import pytest

from docs.speeds import measure_speeds


def test_maps_per_second_beside_plain_inference(capsys: pytest.CaptureFixture[str]) -> None:
    found = measure_speeds()
    plain = found["per_second"]["plain inference"]
    with capsys.disabled():
        print(f"\n{found['what']}; {found['machine']}; {found['date']}")
        for name, value in found["per_second"].items():
            print(f"{name:>20}: {value:10.3g} images a second, plain inference over it {plain / value:.3g}")
