"""Proofs about printed numbers: do the columns of a table agree with each other and with the text?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from xkd_core.catalogue import cost
from xkd_core.claims.base import Finding, Number, found
from xkd_core.metrics.complexity import mean_l1
from xkd_core.metrics.faithfulness import adcc
from xkd_core.types import Float64

DISTANCE_SCALE = 1e4 / 14**2
PAIR_TOLERANCE = 0.006
PAIRS: Mapping[str, tuple[float, float]] = {
    "/2 KD": (0.705, 29.84), "/2 EWA": (0.788, 21.21), "/2 SWA": (0.873, 12.98), "/2 SSWA": (0.859, 14.36),
    "/4 KD": (0.65, 35.52), "/4 EWA": (0.75, 25.24), "/4 SWA": (0.841, 16.23), "/4 SSWA": (0.837, 16.63),
    "/8 KD": (0.563, 44.1), "/8 EWA": (0.652, 34.9), "/8 SWA": (0.813, 19.04), "/8 SSWA": (0.842, 19.49),
    "unstructured naive": (0.79, 21.21), "unstructured EWA": (0.895, 10.71),
    "unstructured SWA": (0.913, 8.407), "unstructured SSWA": (0.92, 7.826),
    "structured naive": (0.764, 30.04), "structured EWA": (0.855, 14.74),
    "structured SWA": (0.911, 9.102), "structured SSWA": (0.91, 9.232),
}  # fmt: skip
COMPLEXITY = {"WRN-28-10": (5.65, 8), "ResNet-18": (2.73, 4)}
"""Printed complexity and the rows of the last map."""
NOTEBOOK = {"WRN-28-10": (1.0776, 0.5768, 5.6557, 0.1228, 8), "ResNet-18": (1.4824, 0.6687, 2.7336, 0.0848, 4)}
"""ADCC, SSIM coherency, complexity, average drop (share) and the rows of the map, as the notebook prints them."""
TABLE_4: Mapping[str, Sequence[tuple[float, float]]] = {
    "insertion": ((0.7049, 0.6517), (0.7136, 0.6895), (0.726, 0.7152), (0.691, 0.6894), (0.7808, 0.7726),
                  (0.824, 0.8145)),
    "deletion": ((0.1211, 0.1211), (0.0757, 0.0659), (0.0699, 0.078), (0.0746, 0.0714), (0.1045, 0.0978),
                 (0.1635, 0.1704)),
}  # fmt: skip
"""λ = 1e-5 and λ = 1e-4, on ImageNet, CUB, Cars and the three of Aircraft."""
PRINTED_GAINS = {"insertion": 12.3, "deletion": 7.5}
FPS = {"Grad-CAM": 34.8, "Ours": 24.4, "RISE": 0.03}
RISE_IN_TEXT = 0.125
GAIN_TOLERANCE = 0.1


def distance_pairs(pairs: Mapping[str, tuple[float, float]] = PAIRS) -> Finding:
    """For each printed pair: the cosine that the distance stands for, beside the printed one."""
    numbers = []
    for name, (cosine, distance) in pairs.items():
        meant = 1 - distance / DISTANCE_SCALE / 2
        numbers.append(Number(label=f"{name} (printed cosine {cosine:g})", value=meant,
                              passes=abs(meant - cosine) <= PAIR_TOLERANCE))  # fmt: skip
    odd = [one.label for one in numbers if not one.passes]
    agree = f"{len(numbers) - len(odd)} of {len(numbers)} pairs agree with 51.02 (2 - 2 cos) within {PAIR_TOLERANCE:g}"
    rest = f"; {' and '.join(odd)} cannot both be right." if odd else "."
    return found(not odd, f"{agree}{rest}", *numbers)


def complexity_of_grids(printed: Mapping[str, tuple[float, int]] = COMPLEXITY, *, seed: int = 0) -> Finding:
    """The printed complexities over the rows of their grids, and one map's complexity on both grids."""
    per_row = {name: value / rows for name, (value, rows) in printed.items()}
    (teacher, first), (student, second) = per_row.items()
    fine = np.random.default_rng(seed).uniform(size=(1, 8, 8))
    flat = np.full((1, 4, 4), 0.7)
    numbers = [Number(label=f"{name}: printed / rows of its map", value=value) for name, value in per_row.items()]
    share = second / first
    numbers.append(Number(label="student / teacher of these", value=share, passes=share < 0.9))
    for label, maps in (("a constant map, 4x4", flat), ("the same on 8x8", flat.repeat(2, 1).repeat(2, 2))):
        numbers.append(Number(label=f"{label}, their norm", value=float(mean_l1(maps, compat="xml")[0])))
    numbers.append(Number(label="mean L1 of noise, 8x8", value=float(mean_l1(fine)[0])))
    return found(
        share < 0.9,
        f"The norm is the largest column sum, which grows with the rows of the map: {teacher} has 8, {student} 4. Over "
        f"the rows the values are {first:.3f} and {second:.3f}, {100 * (1 - share):.0f} % apart and not half.",
        *numbers,
    )


def adcc_above_one(printed: Mapping[str, tuple[float, float, float, float, int]] = NOTEBOOK) -> Finding:
    """ADCC of the printed parts with complexity as a share, beside what the notebook prints."""
    numbers = []
    for name, (said, coherence, norm, drop, rows) in printed.items():
        mean = float(adcc(np.array([coherence]), np.array([norm / rows]), np.array([drop]))[0])
        numbers.append(Number(label=f"{name}: printed", value=said, passes=said <= 1))
        numbers.append(Number(label=f"{name}: of its printed parts, complexity as a share", value=mean))
    fine = all(one.passes is not False for one in numbers)
    return found(
        fine,
        "The printed values can be harmonic means of shares." if fine else
        "A harmonic mean of three shares lies between 0 and 1. The printed values do not: 1 - complexity is negative "
        "for a complexity of 5.66 or 2.73.",
        *numbers,
    )  # fmt: skip


def speed_order() -> Finding:
    """Forward passes for one image, from the catalogue; deterministic, so no clock enters."""
    passes = {"Grad-CAM": cost("grad_cam", {}, 64), "Ours": cost("surrogate", {}, 64), "RISE": cost("rise", {}, 64)}
    numbers = [Number(label=f"{name}: forward passes", value=value) for name, value in passes.items()]
    right = passes["Grad-CAM"] <= passes["Ours"] < passes["RISE"]
    return found(
        right,
        f"A learned map costs one forward pass as Grad-CAM's does, RISE {passes['RISE']:,}. The order is that of the "
        "passes; the factor is whatever number of masks one takes.",
        *numbers,
    )


def speed_factor(*, rise: float = RISE_IN_TEXT, table: Mapping[str, float] = FPS) -> Finding:
    """The factor over RISE from the table and from the speed that the text gives for RISE."""
    factors = {"with RISE's .03 of Table 3": table["Ours"] / table["RISE"], "with its speed in the text":
               table["Ours"] / rise}  # fmt: skip
    numbers = [Number(label=name, value=value, passes=abs(value / 814 - 1) < 0.05) for name, value in factors.items()]
    fine = all(one.passes for one in numbers)
    return found(
        fine,
        "Table and text agree."
        if fine
        else "The table gives 814, but its .03 has one digit (700 to 980 fit it), and "
        f"by the {rise:g} frames a second of Section 2.1 the factor is {factors['with its speed in the text']:.0f}.",
        *numbers,
    )


def gains(
    table: Mapping[str, Sequence[tuple[float, float]]] = TABLE_4, printed: Mapping[str, float] = PRINTED_GAINS
) -> Finding:
    """The largest gains of the chosen λ over the other in Table 4, in three forms, beside the text's."""
    numbers = []
    for score, sign in (("insertion", 1), ("deletion", -1)):
        for form, largest in _largest_gains(np.array(table[score]), sign).items():
            close = abs(largest - printed[score]) <= GAIN_TOLERANCE
            numbers.append(Number(label=f"{score}: largest gain, {form}", value=largest, passes=close))
    fine = all(any(one.passes for one in numbers if one.label.startswith(score)) for score in printed)
    worse = sum(1 for chosen, other in table["insertion"] if chosen < other)
    worse += sum(1 for chosen, other in table["deletion"] if chosen > other)
    strays = [f"{value:g} fits {one.label}" for score, value in printed.items() for one in numbers
              if not one.label.startswith(score) and abs(one.value - value) <= GAIN_TOLERANCE]  # fmt: skip
    words = "The printed gains follow from Table 4." if fine else "The printed gains do not follow from Table 4."
    stray = f" {'; '.join(strays)}." if strays else ""
    return found(
        fine, f"{words}{stray} On {worse} of {sum(map(len, table.values()))} scores the chosen λ is worse.", *numbers
    )


def _largest_gains(pairs: Float64, sign: int) -> Mapping[str, float]:
    points = sign * (pairs[:, 0] - pairs[:, 1])
    return {
        "points": 100 * float(points.max()),
        "% of the other": 100 * float((points / pairs[:, 1]).max()),
        "% of itself": 100 * float((points / pairs[:, 0]).max()),
    }


def intensity_share(ours: float = 0.189, rise: float = 0.347) -> Finding:
    """Mean intensity over RISE's, in percent."""
    share = 100 * ours / rise
    return found(
        abs(share - 54) < 1,
        f"{ours:g} / {rise:g} is {share:.1f} %.",
        Number(label="intensity over RISE's, %", value=share, passes=abs(share - 54) < 1),
    )


def grad_cam_gain(ours: float = 62.0, others: Sequence[float] = (56.1, 52.1, 58.6, 55.6)) -> Finding:
    """The lead in Table V over the next best method, in points and in percent of it."""
    points, percent = ours - max(others), 100 * (ours / max(others) - 1)
    return found(
        abs(percent - 6) < 0.5 or abs(points - 6) < 0.5,
        f"{ours:g} % against {max(others):g} % of the next best: {points:.1f} points, which is {percent:.1f} % of it. "
        "The gain is right as a ratio of percentages, not as points.",
        Number(label="lead in points", value=points, passes=abs(points - 6) < 0.5),
        Number(label="lead in % of the next best", value=percent, passes=abs(percent - 6) < 0.5),
    )
