"""The true story of the landing page: an image, found by ranking, where the answer stayed and the map moved."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from xkd_core.metrics.statistics import Summary, share_interval
from xkd_core.serving.results import Results, joined
from xkd_core.serving.zoo import Choice, Row, Zoo

STUDENTS: tuple[Row, ...] = ("naive", "matched")


@dataclass(frozen=True, kw_only=True)
class Story:
    """One image and what the stored rows say about it, and how often the same happens.

    bar: cosine below which a map counts as moved. naive_often: naive right with a moved map while the matched
    student is right with a kept one, of all images of the test split; matched_often: the other way round.
    off_object: the naive map's strongest point is not on the object while the teacher's and the matched one's are.
    naive_left, matched_left: how often it also came to that, on data with masks (else None).
    """

    index: int
    target: int
    choice: Choice
    naive_cosine: float
    matched_cosine: float
    bar: float
    off_object: bool
    naive_often: Summary
    matched_often: Summary
    naive_left: Summary | None
    matched_left: Summary | None


def tell(results: Results, zoo: Zoo, choice: Choice) -> Story | None:
    """The strongest story for a choice of runs; None when rows are missing or no image tells it."""
    table, bar = patterns(results, zoo, choice)
    if "gap" not in table or bar is None:
        return None
    told = table[table["naive_only_moved"] & table["target_shown"]]
    if told.empty:
        return None
    # An image where the naive map leaves the object says more than one where it merely widens, and students that
    # are sure say more than students that waver.
    sure = told["gap"] * told[["naive_prob", "matched_prob"]].min(axis=1)
    best = told.assign(strength=sure).sort_values(["off_object", "strength"], ascending=False, kind="stable").iloc[0]
    return Story(
        index=int(str(best.name)),
        target=int(best["target"]),
        choice=choice,
        naive_cosine=float(best["naive_cosine"]),
        matched_cosine=float(best["matched_cosine"]),
        bar=bar,
        off_object=bool(best["off_object"]),
        naive_often=share_interval(int(table["naive_only_moved"].sum()), len(table)),
        matched_often=share_interval(int(table["matched_only_moved"].sum()), len(table)),
        naive_left=_left(table, "naive"),
        matched_left=_left(table, "matched"),
    )


def _left(table: pd.DataFrame, who: str) -> Summary | None:
    """How often only this student's map moved and its strongest point left the object; None without masks."""
    if f"{who}_left" not in table:
        return None
    return share_interval(int((table[f"{who}_only_moved"] & table[f"{who}_left"]).sum()), len(table))


def patterns(results: Results, zoo: Zoo, choice: Choice) -> tuple[pd.DataFrame, float | None]:
    """One row per test image with what happened there, and the cosine below which a map counts as moved.

    Where no matched student is trained, the table is of the naive one alone.
    """
    students: dict[str, str] = {row: pick.card.id for row in STUDENTS if (pick := zoo.pick(row, choice)) is not None}
    teacher, second = zoo.teacher, zoo.second_teacher
    if teacher is None or "naive" not in students:
        return pd.DataFrame(), None
    table = joined(results, {"teacher": teacher.id, **students})
    found = results.bar(None if second is None else second.id)
    if table.empty:
        return table, None if found is None else found.value
    # With one teacher only, what the naive student gets by chance is the next best bar.
    bar = float(table["naive_shuffled"].mean()) if found is None else found.value
    return _judged(table, bar), bar


def _judged(table: pd.DataFrame, bar: float) -> pd.DataFrame:
    table = table.assign(target_shown=_shown(table), naive_moved=table["naive_cosine"] < bar)
    return _compared(table, bar) if "matched_cosine" in table else table


def _compared(table: pd.DataFrame, bar: float) -> pd.DataFrame:
    both = table["teacher_right"] & table["naive_right"] & table["matched_right"]
    naive_moved, matched_moved = table["naive_moved"], table["matched_cosine"] < bar
    naive_kept, matched_kept = table["naive_cosine"] >= bar, table["matched_cosine"] >= bar  # NaN is neither
    if "naive_pointing" in table:
        table = table.assign(naive_left=_only(table, "naive", "matched"), matched_left=_only(table, "matched", "naive"))
    return table.assign(
        off_object=table.get("naive_left", pd.Series(False, index=table.index)),
        gap=table["matched_cosine"] - table["naive_cosine"],
        matched_moved=matched_moved,
        naive_only_moved=both & naive_moved & matched_kept,
        matched_only_moved=both & matched_moved & naive_kept,
    )


def _only(table: pd.DataFrame, who: str, other: str) -> pd.Series[bool]:
    """The strongest point is off the object in the map of ``who``, and on it in the teacher's and the other's."""
    on = (table["teacher_pointing"] > 0) & (table[f"{other}_pointing"] > 0)
    found: pd.Series[bool] = on & (table[f"{who}_pointing"] == 0)
    return found


def _shown(table: pd.DataFrame) -> pd.Series[bool]:
    """Is the explained class in the image at all? A story about an absent object would confuse."""
    if "labels" not in table:
        return pd.Series(True, index=table.index)
    pairs = zip(table["labels"], table["target"], strict=True)
    return pd.Series([str(target) in str(labels).split() for labels, target in pairs], index=table.index)


def percent(often: Summary) -> str:
    """A share as a sentence needs it: '23.4 % of 2,000 test images (95 % interval 21.6 to 25.3 %)'."""
    if not often.n:
        return "of no image (nothing is stored)"
    low, high = 100 * often.low, 100 * often.high
    return f"{100 * often.mean:.1f} % of {often.n:,} test images (95 % interval {low:.1f} to {high:.1f} %)"
