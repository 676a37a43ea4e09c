"""The export: whole, described column by column, safe in a spreadsheet, without secrets."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections import Counter

import pandas as pd
import pytest

from tests.study.made_study import answer_all, make_participant, make_study
from xkd_core.study.export import codebook, export_files, export_zip, guarded, to_csv, write_export
from xkd_core.study.store import participants
from xkd_core.study.store.answers import progress
from xkd_core.study.store.studies import study_by_id


@pytest.fixture
def study(sqlite):
    made = make_study(sqlite)
    for place, comment in enumerate(('=HYPERLINK("http://evil")', "fine, thanks\nreally")):
        token = make_participant(sqlite, made, PROLIFIC_PID=f"secret-pid-{place}")
        answer_all(sqlite, token)
        participants.finish(sqlite, token, comment)
    make_participant(sqlite, made)
    return made


def read(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def test_every_stored_answer_is_in_the_export_once(sqlite, study):
    files = export_files(sqlite, study)
    trials = read(files["trials.csv"])
    assert len(trials) == 3 * 11
    assert len({(row["participant"], row["idx"]) for row in trials}) == 33
    assert sum(row["choice"] != "" for row in trials) == 11 + 11 + 2
    assert {row["rt_client_ms"] for row in trials} == {"", "1500"}
    assert len(read(files["participants.csv"])) == 3 and len(read(files["items.csv"])) == 16
    document = json.loads(files["study.json"])
    assert [row["choice"] for row in document["trials"]] == [
        int(row["choice"]) if row["choice"] else None for row in trials
    ]
    assert document["config"] == json.loads(study.config.to_json())
    assert document["recruitment"]["stages"] == {"done": 2, "trials": 1}
    wrong = Counter(row["participant"] for row in trials if row["kind"] == "catch" and row["correct"] == "False")
    careless = sum(count >= 2 for count in wrong.values())
    assert json.loads(files["analysis.json"])["answers"] == 6 * (2 - careless)
    assert sum(row["excluded"] != "" for row in read(files["participants.csv"])) == careless


def test_no_secret_leaves_the_store(sqlite, study):
    token = make_participant(sqlite, study, PROLIFIC_PID="secret-pid-9")
    whole = b"".join(export_files(sqlite, study).values())
    assert progress(sqlite, token).code.encode() in whole
    assert token.encode() not in whole and b"secret-pid" not in whole and b"external" not in whole


def test_a_formula_is_marked_and_comes_back_as_it_was_in_json(sqlite, study):
    files = export_files(sqlite, study)
    comments = [row["comment"] for row in read(files["participants.csv"])]
    assert comments == ['\'=HYPERLINK("http://evil")', "fine, thanks\nreally", ""]
    assert json.loads(files["study.json"])["participants"][0]["comment"].startswith("=HYPERLINK")


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", "\rx", "  =1", "|x", "＝1"])
def test_text_that_begins_like_a_formula_is_guarded(text):
    assert guarded(text) == f"'{text}"


def test_numbers_and_plain_words_stay_as_they_are():
    assert [guarded(value) for value in (-0.5, 3, None, "a=b", "", True)] == [-0.5, 3, None, "a=b", "", True]
    frame = pd.DataFrame({"x": [-0.5, float("nan")], "n": [1500.0, float("nan")], "=c": ["-a", None]})
    assert to_csv(frame) == b"x,n,'=c\r\n-0.5,1500,'-a\r\n,,\r\n"


def test_every_column_is_in_the_codebook_with_a_meaning(sqlite, study):
    files = export_files(sqlite, study)
    described = {(row["table"], row["column"]): row for row in read(files["codebook.csv"])}
    for name in ("trials", "participants", "items"):
        columns = next(csv.reader(io.StringIO(files[f"{name}.csv"].decode())))
        assert [column for table, column in described if table == name] == columns
    assert all(row["meaning"] and row["type"] and row["values"] for row in described.values())
    assert described["trials", "rt_client_ms"]["type"] == "whole number"
    assert described["trials", "rt_client_ms"]["values"] == "1500 to 1500"
    assert described["participants", "completed_at"]["type"].startswith("time")
    assert described["trials", "lam"]["type"] == "number"


def test_a_column_without_a_meaning_cannot_be_exported():
    with pytest.raises(KeyError, match="ip_address"):
        codebook({"participants": pd.DataFrame({"ip_address": ["127.0.0.1"]})})


def test_the_zip_and_the_folder_hold_the_same_files(sqlite, study, tmp_path):
    paths = write_export(sqlite, study, tmp_path / "out")
    with zipfile.ZipFile(io.BytesIO(export_zip(sqlite, study))) as archive:
        assert sorted(archive.namelist()) == sorted(f"small-v1/{path.name}" for path in paths)
        assert archive.read("small-v1/trials.csv") == (tmp_path / "out" / "trials.csv").read_bytes()


@pytest.mark.parametrize("question", ["odd_one_out", "two_alternative"])
def test_an_empty_study_can_be_exported(sqlite, question):
    files = export_files(sqlite, make_study(sqlite, question=question))
    assert read(files["trials.csv"]) == [] and len(read(files["items.csv"])) == 16
    json.loads(files["study.json"])


def test_a_two_alternative_study_is_exported_with_its_reference(sqlite):
    study = make_study(sqlite, question="two_alternative")
    answer_all(sqlite, make_participant(sqlite, study))
    rows = [row for row in read(export_files(sqlite, study)["trials.csv"]) if row["kind"] == "main"]
    assert {row["reference"] for row in rows} == {"teacher"} and {row["slot3"] for row in rows} == {""}
    for row in rows:
        chosen = row[f"slot{row['choice']}"]
        assert row["answer"] == {"matched": "TM", "naive": "TN"}[chosen]
    assert study_by_id(sqlite, study.id) == study
