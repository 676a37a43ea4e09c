"""The evidence page: every claim, its verdict and its numbers as the command has them, filtered by the link."""

from __future__ import annotations

import re
import shutil
from collections import Counter

import numpy as np
import pytest
from scipy.stats import bootstrap

from pages._ui import evidence, guard
from xkd_core.claims import report
from xkd_core.claims.base import PAPERS, Number
from xkd_core.claims.table import CLAIMS, how_in_words, judge_all
from xkd_core.results.store import merge_rows, read_rows

N_WRONG = 9


@pytest.fixture(scope="module")
def root(made, tmp_path_factory):
    """The made zoo, but the baseline of 1/4 width answers nine images wrong."""
    place = tmp_path_factory.mktemp("evidence") / "runs"
    shutil.copytree(made.root, place)
    answers = read_rows("scenes", "answers", root=place)
    wrong = (answers["run_id"] == made.runs["kd 0.25 0"]) & (answers["index"] < N_WRONG)
    merge_rows("scenes", "answers", answers.assign(right=answers["right"] & ~wrong), root=place)
    return place


def texts(app):
    return [str(part.value) for part in app.markdown]


def boxes(app):
    """Ids of the claims on the page, in order."""
    found = (re.search(r"-badge\[. (.+?)\] .* `(\S+)`$", text) for text in texts(app))
    return {match[2]: match[1] for match in found if match}


def right_of(root, run_id):
    rows = read_rows("scenes", "answers", root=root)
    return rows[rows["run_id"] == run_id].set_index("index")["right"].astype(float).sort_index()


def test_a_number_on_the_page_is_that_of_the_stored_rows(open_page, made, root):
    app = open_page("evidence", root=root, paper="003", verdict="holds")
    assert not app.exception
    assert boxes(app)["003-kd-scenes"] == "holds"
    difference = (right_of(root, made.runs["kd 0.25 0.5"]) - right_of(root, made.runs["kd 0.25 0"])).to_numpy()
    assert difference.sum() == N_WRONG
    interval = bootstrap((difference,), np.mean, n_resamples=2000, batch=4_000_000 // len(difference),
                         method="percentile", rng=np.random.default_rng(0)).confidence_interval  # fmt: skip
    n = len(difference)
    row = f"| KD - baseline | {N_WRONG / n:.3g} [{interval.low:.3g}, {interval.high:.3g}] | {n} | 1 | yes |"
    assert any(row in text for text in texts(app))


def test_the_page_shows_what_the_command_says(open_page, root):
    app = open_page("evidence", root=root)
    judged = judge_all(root)
    table = app.dataframe[0].value
    signs = {"holds": "✓", "does not hold": "✗", "not testable here": "–"}
    assert dict(zip(table["Id"], table["Verdict"], strict=True)) == {one.claim.id: one.finding.full for one in judged}
    assert list(table[" "]) == [signs[one.finding.verdict] for one in judged]
    shown = {metric.label.lower(): int(metric.value) for metric in app.metric}
    assert shown == dict.fromkeys(shown, 0) | Counter(one.finding.words for one in judged if not one.claim.ours)
    ours = [one for one in judged if one.claim.ours]
    assert sum(shown.values()) == len(CLAIMS) - len(ours)
    assert any(f"and {len(ours)} questions of ours beside them" in str(caption.value) for caption in app.caption)
    assert [" ours" in paper for paper in table["Paper"]] == [one.claim.ours for one in judged]
    parts = how_in_words(judged)
    assert re.fullmatch(r"\d+ not shown, \d+ contradicted(, \d+ of one seed)?", parts)
    assert any(parts in option for option in app.selectbox(key="verdict").options)
    for paper in PAPERS:
        app.selectbox(key="paper").set_value(paper).run()
        own = [one for one in judged if one.claim.paper == paper]
        assert boxes(app) == {one.claim.id: one.finding.words for one in own}
        shown = "\n".join(texts(app))
        assert shown.count(":gray-badge[one seed") == sum(one.finding.one_seed for one in own)
        assert shown.count(":gray-badge[a question of ours]") == sum(one.claim.ours for one in own)
        for one in own:
            assert f"**Because:** {one.finding.reason}" in shown
            assert [number.text for number in one.finding.numbers if number.text not in shown] == []
        assert [code.value for code in app.code] == [one.finding.command for one in own]


def test_verdict_and_paper_are_chosen_in_the_link(open_page, root):
    app = open_page("evidence", root=root, verdict="fails", paper="002")
    assert set(boxes(app).values()) == {"does not hold: contradicted"}
    assert all(claim_id.startswith("002-") for claim_id in boxes(app))
    assert [button.proto.label for button in app.get("download_button")] == ["Download as JSON"]
    app.selectbox(key="verdict").set_value("untested").run()
    assert set(boxes(app).values()) == {"not testable here"}
    assert app.query_params["verdict"] in ("untested", ["untested"])
    app.selectbox(key="paper").set_value("001").run()
    app.selectbox(key="verdict").set_value("holds").run()
    assert boxes(app) == {"001-sizes": "holds"}


def test_a_link_to_no_verdict_is_said(open_page, root):
    app = open_page("evidence", root=root, verdict="maybe")
    assert ["'maybe'" in str(warning.value) for warning in app.warning] == [True]
    assert len(app.dataframe[0].value) == len(CLAIMS)


def test_a_file_of_findings_is_shown_while_it_is_of_these_rows(open_page, root):
    path = report.write(judge_all(root), root)
    try:
        text = path.read_text()
        assert text.count("18 of 20 pairs agree") == 1
        path.write_text(text.replace("18 of 20 pairs agree", "read from the file"))
        app = open_page("evidence", root=root, paper="004")
        assert any("read from the file" in text for text in texts(app))
    finally:
        path.unlink()


def test_a_study_server_does_not_show_it(monkeypatch):
    monkeypatch.setenv("XKD_MODE", "study")
    assert not guard.shows("pages/evidence.py")


def test_images_without_a_value_stand_beside_n():
    numbers = (Number(label="a", value=0.5, n=1960, undefined=40), Number(label="b", value=0.5, n=7))
    lines = evidence._numbers(numbers).splitlines()
    assert lines[2:] == ["| a | 0.5 | 1,960, 40 undefined |", "| b | 0.5 | 7 |"]
