"""The command line: set up from real runs, listed, exported, deleted; one line for an error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.made_zoo import make_zoo
from tests.study.made_study import answer_all, make_participant
from xkd_core.__main__ import main
from xkd_core.study import access
from xkd_core.study.store.database import Database
from xkd_core.study.store.studies import find_study, list_studies

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    return make_zoo(tmp_path_factory.mktemp("study_zoo"))


def call(home: Path, *arguments: str, root: Path | None = None, said: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"XKD_HOME": str(home), "XKD_THREADS": "1"}
    if root is not None:
        environment["XKD_CHECKPOINTS"] = str(root)
    command = [sys.executable, "-m", "xkd_core", "study", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, input=said)


def test_a_study_is_made_from_runs_answered_exported_and_deleted(home, tmp_path, zoo):
    fields = {"selection": {"n_images": 4, "strata": ["class"]}, "trials": 3, "practice": 1, "catches": 1, "repeats": 1,
              "explainer": "cam"}  # fmt: skip
    (tmp_path / "study.json").write_text(json.dumps(fields))
    made = call(
        home, "create", "--name", "first", "--contact", "me@example.org", "--config", str(tmp_path / "study.json"),
        "--open", root=zoo.root,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    database = Database()
    study = find_study(database, "first")
    assert made.stdout.startswith(f"{study.id}  first-v1  open  4 items")
    assert study.config.pairs[0].ratio is not None
    answer_all(database, make_participant(database, study))
    listed = json.loads(call(home, "list", "--json").stdout)
    assert [(one["name"], one["arrived"], one["stages"]) for one in listed] == [("first-v1", 1, {"comment": 1})]
    assert "first-v1" in call(home, "list").stdout
    assert call(home, "close", "first").stdout == "first-v1 is closed\n"
    assert call(home, "open", "first-v1").stdout == "first-v1 is open\n"
    out = call(home, "export", "first", "--out", str(tmp_path / "out"))
    assert out.returncode == 0 and (tmp_path / "out" / "codebook.csv").exists()
    trials = json.loads((tmp_path / "out" / "study.json").read_text())["trials"]
    items = json.loads((tmp_path / "out" / "study.json").read_text())["items"]
    assert all(one["choice"] is not None for one in trials) and len(trials) == 6
    assert all(-1 <= one["similarities"]["cosine"]["naive"] <= 1 for one in items if one["kind"] == "main")
    code = trials[0]["participant"]
    assert call(home, "delete", "first", "--participant", code).stdout == f"participant {code} of first-v1 deleted\n"
    refused = call(home, "delete", "first")
    assert refused.returncode == 1 and "needs --yes" in refused.stderr and len(list_studies(database)) == 1
    assert call(home, "delete", "first", "--yes").stdout == "first-v1 deleted\n"
    assert list_studies(database) == () and not list(home.rglob("*.png"))
    database.close()


def test_a_studys_configuration_can_be_used_again_under_another_name(home, tmp_path, zoo):
    fields = {"selection": {"n_images": 4, "strata": ["class"]}, "trials": 3, "practice": 0, "catches": 0, "repeats": 0,
              "explainer": "cam"}  # fmt: skip
    (tmp_path / "first.json").write_text(json.dumps(fields))
    for name, config in (("first", "first.json"), ("again", "used.json")):
        made = call(home, "create", "--name", name, "--contact", f"{name}@example.org", "--config",
                    str(tmp_path / config), root=zoo.root)  # fmt: skip
        assert made.returncode == 0, made.stderr
        if name == "first":
            database = Database()
            used = find_study(database, "first").config
            (tmp_path / "used.json").write_text(used.to_json())
    again = find_study(database, "again").config
    assert (again.name, again.contact) == ("again", "again@example.org")
    same = used.model_copy(update={"name": again.name, "contact": again.contact})
    assert again == same
    database.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("export", "none", "--out", "x"), "No study called 'none'"),
        (("delete", "none", "--yes"), "No study called 'none'"),
        (("create", "--name", "No Name", "--contact", "me@example.org"), "name: "),
        (
            ("create", "--name", "a-b", "--contact", "me@example.org", "--preset", "x"),
            "No preset of a study called 'x'",
        ),
        (("create", "--name", "a-b", "--contact", "me@example.org", "--naive", "x"), "needs --naive and --matched"),
        (("create", "--name", "a-b", "--contact", "me@example.org", "--config", "none.json"), "cannot be read"),
        (("simulate", "--participants", "1"), "at least 2 participants"),
        (("simulate", "--matched", "1.5"), "at most 1 together"),
    ],
)
def test_an_error_is_one_line_and_exit_status_one(arguments, words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["xkd_core", "study", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    said = capsys.readouterr().err
    assert left.value.code == 1
    assert words in said and said.startswith("error: ") and said.count("\n") == 1


def test_simulate_prints_power_and_false_positives(home):
    done = call(home, "simulate", "--participants", "10", "--trials", "10", "--items", "20", "--studies", "20")
    assert done.returncode == 0 and done.stdout.startswith("power ") and "in 20 studies of 10 people" in done.stdout
    null = call(
        home, "simulate", "--null", "--participants", "10", "--trials", "10", "--items", "20", "--studies", "20"
    )
    assert null.stdout.startswith("false-positive rate ") and "true share of matched 0.500" in null.stdout


def test_password_prints_a_hash_that_opens_the_door(home):
    done = call(home, "password", said="correct horse battery\n")
    assert done.returncode == 0 and access.is_password("correct horse battery", done.stdout.strip())
    assert call(home, "password", said="short\n").returncode == 1
