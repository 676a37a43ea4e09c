"""The table of claims, its JSON, and the file that the page may read."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from xkd_core.claims import report
from xkd_core.claims.base import PAPERS, Finding, Number
from xkd_core.claims.table import CLAIMS, by_how, by_verdict, how_in_words, judge, judge_all
from xkd_core.errors import UnknownNameError

SOME = ("001-adcc", "002-share", "003-votes", "004-naive-scenes")


@pytest.fixture
def some(tmp_path):
    return judge_all(tmp_path, SOME)


def test_there_are_enough_claims_of_every_paper_and_each_says_what_it_must():
    assert len(CLAIMS) >= 25
    for paper in PAPERS:
        assert sum(claim.paper == paper for claim in CLAIMS.values()) >= 2
    for claim in CLAIMS.values():
        assert claim.id.startswith(f"{claim.paper}-")
        assert all((claim.says, claim.place, claim.printed, claim.test)), claim.id


def test_an_unknown_claim_is_named_with_the_nearest():
    with pytest.raises(UnknownNameError, match="001-adcc"):
        judge("001-adc")
    with pytest.raises(UnknownNameError, match="00x"):
        judge_all(None, ["00x-*"])


def test_claims_are_chosen_by_pattern(tmp_path):
    assert [one.claim.id for one in judge_all(tmp_path, ["003-s*", "002-share"])] == [
        "002-share", "003-same-size", "003-signs", "003-six", "003-size-cifar10", "003-size-scenes",
    ]  # fmt: skip


def test_every_finding_has_a_reason_and_a_command(some):
    assert all(one.finding.reason and one.finding.command.startswith("python -m xkd_core ") for one in some)
    assert by_verdict(some) == {"holds": 1, "does not hold": 1, "not testable here": 2}


def test_the_table_counts_verdicts_and_shows_details_on_demand(some):
    text = report.table(some)
    assert text.endswith(
        "3 claims of the papers: 1 holds, 0 does not hold, 2 not testable here\n"
        "1 question of ours beside them: 0 holds, 1 does not hold (0 not shown, 1 contradicted), 0 not testable here"
    )
    assert [line.endswith("[ours]") for line in text.splitlines() if line.startswith("  001-adcc")] == [True]
    assert "001-adcc does not hold: contradicted The ADCC" in " ".join(text.split())
    assert "ours:" not in text
    detailed = report.table(some, details=True)
    assert "ours: intensity over RISE's, % = 54.5" in detailed
    assert "command: python -m xkd_core claims --only 002-share" in detailed


def test_not_shown_and_contradicted_are_counted_apart(some):
    (wrong,) = (one for one in some if one.finding.verdict == "does not hold")
    assert (wrong.finding.how, wrong.finding.against) == ("contradicted", 1)  # by a proof
    unshown = replace(wrong, finding=Finding(verdict="does not hold", reason="the interval contains 0"))
    judged = (*some, unshown, unshown)
    assert by_how(judged) == {"not shown": 2, "contradicted": 1}
    assert report.table(judged).endswith("3 does not hold (2 not shown, 1 contradicted), 0 not testable here")
    assert how_in_words(judged, "holds") == how_in_words([one for one in some if one is not wrong]) == ""
    assert [one["how"] for one in report.as_json(judged)[-2:]] == ["not shown"] * 2


def test_numbers_are_written_as_people_read_them():
    assert str(Number(label="a", value=61706.0)) == "a = 61,706"
    number = Number(label="SWA - KD", value=0.01234, low=0.01, high=0.02, n=2000, seeds=3)
    assert str(number) == "SWA - KD = 0.0123 [0.01, 0.02] (n=2000, 3 seeds)"
    assert str(Number(label="b", value=0.5, n=4, seeds=1)) == "b = 0.5 (n=4, 1 seed)"


def test_json_has_no_nan(some):
    values = json.loads(json.dumps(report.as_json(some), allow_nan=False))
    assert [one["id"] for one in values] == list(SOME)
    assert values[1]["numbers"][0]["low"] is None


def test_the_file_is_read_only_while_it_was_made_from_these_rows(tmp_path, monkeypatch):
    card = tmp_path / "scenes" / "run" / "card.json"
    card.parent.mkdir(parents=True)
    card.write_text("{}")
    monkeypatch.setattr(report, "CLAIMS", {claim_id: CLAIMS[claim_id] for claim_id in SOME})
    monkeypatch.setattr(report, "judge_all", lambda root: judge_all(root, SOME))
    judged = judge_all(tmp_path, SOME)
    path = report.write(judged, tmp_path)
    assert report._kept(tmp_path) is not None
    assert [one.finding.verdict for one in report.evidence(tmp_path)] == [one.finding.verdict for one in judged]
    assert report.as_json(report.evidence(tmp_path)) == report.as_json(judged)
    card.write_text('{"another": 1}')
    assert report._kept(tmp_path) is None
    path.write_text("not JSON")
    assert report.as_json(report.evidence(tmp_path)) == report.as_json(judged)


def test_the_stamp_does_not_depend_on_the_place_or_the_time(tmp_path):
    for name in ("a", "b"):
        rows = tmp_path / name / "scenes" / "results" / "maps.parquet"
        rows.parent.mkdir(parents=True)
        rows.write_bytes(b"rows")
    assert report.contents(tmp_path / "a") == report.contents(tmp_path / "b")
    (tmp_path / "b" / "scenes" / "results" / "maps.parquet").write_bytes(b"other rows")
    assert report.contents(tmp_path / "a") != report.contents(tmp_path / "b")
