"""The store of wide rows: cell by cell, the same bytes in any order, reasons beside what is undefined, small files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from xkd_core.errors import XKDError
from xkd_core.results.metric_store import (
    add_refused,
    add_rows,
    done,
    metrics_dir,
    read_refused,
    read_run,
    reasons_of,
    reasons_text,
    stored_runs,
)

NAN = float("nan")


def rows(explainer: str, why: dict[int, dict[str, str]] | None = None, **metrics: list[float]) -> pd.DataFrame:
    n = len(next(iter(metrics.values())))
    texts = [reasons_text((why or {}).get(index, {})) for index in range(n)]
    return pd.DataFrame({"explainer": explainer, "index": range(n), "target": 1, **metrics, "undefined": texts})


def test_cells_come_together_and_what_is_there_stays(tmp_path: Path) -> None:
    add_rows("digits", "run", [rows("cam", {1: {"cosine": "zero"}}, cosine=[0.5, NAN])], root=tmp_path)
    add_rows("digits", "run", [rows("cam", {0: {"road": "flat"}}, road=[NAN, 0.25])], root=tmp_path)
    add_rows("digits", "run", [rows("rise", cosine=[0.75])], root=tmp_path)
    stored = read_run("digits", "run", root=tmp_path)
    assert stored["explainer"].tolist() == ["cam", "cam", "rise"]
    assert stored["cosine"].tolist()[::2] == [0.5, 0.75] and np.isnan(stored["cosine"][1])
    assert stored["road"][1] == 0.25 and np.isnan(stored["road"][[0, 2]]).all()
    assert [dict(reasons_of(text)) for text in stored["undefined"]] == [{"road": "flat"}, {"cosine": "zero"}, {}]
    assert done(stored, "cam", [0, 1, 2], ["cosine", "road"]).tolist() == [[True, True], [True, True], [False, False]]
    assert done(stored, "rise", [0], ["cosine", "road", "gini"]).tolist() == [[True, False, False]]
    assert stored_runs("digits", root=tmp_path) == ["run"]


def test_the_bytes_do_not_depend_on_the_order_of_arrival(tmp_path: Path) -> None:
    parts = [rows("cam", cosine=[0.1, 0.2]), rows("rise", cosine=[0.3, NAN]), rows("cam", gini=[0.4, 0.5])]
    for name, order in (("one", (0, 1, 2)), ("two", (2, 1, 0))):
        for part in order:
            add_rows("digits", "run", [parts[part]], root=tmp_path / name)
    first, second = (metrics_dir("digits", root=tmp_path / name) / "run.parquet" for name in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()


def test_two_reasons_of_one_image_are_both_kept() -> None:
    text = reasons_text({"iou": "the mask is empty", "pointing": "the mask is empty", "road": "flat"})
    assert text == '{"flat":["road"],"the mask is empty":["iou","pointing"]}'
    assert dict(reasons_of(text)) == {"iou": "the mask is empty", "pointing": "the mask is empty", "road": "flat"}
    assert reasons_text({}) is None and not reasons_of(None)


def test_refusals_are_kept_once_and_damage_is_said(tmp_path: Path) -> None:
    row = pd.DataFrame([("run", "cam", "*", "no", "1")], columns=["run_id", "explainer", "metric", "reason", "version"])
    for reason in ("no", "never"):
        add_refused("digits", row.assign(reason=reason), root=tmp_path)
    assert read_refused("digits", root=tmp_path)["reason"].tolist() == ["never"]
    path = metrics_dir("digits", root=tmp_path) / "refused.parquet"
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(XKDError, match="evaluate again"):
        read_refused("digits", root=tmp_path)
