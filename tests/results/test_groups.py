"""Groups of runs that differ in the seed only."""

from __future__ import annotations

from pathlib import Path

from tests.made_zoo import make_zoo
from xkd_core.models.checkpoints import list_runs
from xkd_core.results.groups import WRITTEN_OUT, seed_groups


def test_seeds_of_one_setting_are_one_group_and_settings_stay_apart(tmp_path: Path) -> None:
    made = make_zoo(tmp_path, dataset="digits", rows=False)
    groups = seed_groups(list_runs(tmp_path))
    assert groups["digits-ce-w1"] == (made.runs["teacher"], made.runs["second"])
    assert groups["digits-kd-w4-l0.5"] == (made.runs["kd 0.25 0.5"],)
    assert groups["digits-swa-w8-l0.5-b8"] == (made.runs["swa beta 8"],)
    assert sum(map(len, groups.values())) == len(made.runs) == len(list_runs(tmp_path))


def test_a_card_that_writes_defaults_out_is_in_the_group_of_those_that_leave_them_away(tmp_path: Path) -> None:
    make_zoo(tmp_path, dataset="digits", rows=False)
    old = next(card for card in list_runs(tmp_path) if card.method == "kd" and card.width == 0.25 and card.lam == 0.5)
    absent = {name: value for name, value in old.recipe.items() if name not in WRITTEN_OUT}
    new = old.model_copy(update={"id": old.id.replace("-s0-", "-s1-"), "seed": 1, "recipe": {**absent, "seed": 1}})
    assert seed_groups([old, new]) == {"digits-kd-w4-l0.5": (old.id, new.id)}
    other = new.model_copy(update={"recipe": {**absent, "amount": 0.5}})
    assert len(seed_groups([old, other])) == 2
