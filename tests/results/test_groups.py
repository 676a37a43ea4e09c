"""Groups of runs that differ in the seed only."""

from __future__ import annotations

from pathlib import Path

from tests.made_zoo import make_zoo
from xkd_core.models.checkpoints import list_runs
from xkd_core.results.groups import seed_groups


def test_seeds_of_one_setting_are_one_group_and_settings_stay_apart(tmp_path: Path) -> None:
    made = make_zoo(tmp_path, dataset="digits", rows=False)
    groups = seed_groups(list_runs(tmp_path))
    assert groups["digits-ce-w1"] == (made.runs["teacher"], made.runs["second"])
    assert groups["digits-kd-w4-l0.5"] == (made.runs["kd 0.25 0.5"],)
    assert groups["digits-swa-w8-l0.5-b8"] == (made.runs["swa beta 8"],)
    assert sum(map(len, groups.values())) == len(made.runs) == len(list_runs(tmp_path))
