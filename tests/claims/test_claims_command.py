"""`claims` as scripts use it: JSON, the file, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest


@pytest.fixture
def run(tmp_path):
    def command(*words: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "XKD_CHECKPOINTS": str(tmp_path / "runs"), "XKD_HOME": str(tmp_path / "home")}
        return subprocess.run([sys.executable, "-m", "xkd_core", "claims", *words], env=env, capture_output=True,
                              text=True, check=False)  # fmt: skip

    return command


def test_one_claim_as_json(run):
    (found,) = json.loads(run("--json", "--only", "002-share").stdout)
    assert (found["verdict"], found["kind"]) == ("holds", "code")
    assert found["numbers"][0]["value"] == pytest.approx(100 * 0.189 / 0.347)


def test_chosen_claims_are_shown_with_reason_and_command(run):
    shown = run("--only", "003-six,004-naive-scenes")
    assert shown.returncode == 0
    assert "because: 62 % against 58.6 %" in shown.stdout
    assert "command: python -m xkd_core sweep run checkpoints/scenes/sweep.yaml && " in shown.stdout
    assert "2 claims of the papers: 1 holds, 0 does not hold, 1 not testable here" in shown.stdout


def test_an_unknown_claim_or_a_part_that_cannot_be_written_is_one_line(run):
    for words, said in ((["--only", "nothing"], "nothing"), (["--write", "--only", "002-share"], "leave --only out")):
        refused = run(*words)
        assert refused.returncode == 1
        assert refused.stderr.startswith("error: ") and said in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
