"""The promises about the repository itself: style, types, layers, sizes, README, changelog."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import xkd_core

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted([*ROOT.glob("xkd_core/**/*.py"), *ROOT.glob("pages/**/*.py"), ROOT / "app.py"])
MIB = 2**20


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def tool(name: str) -> str:
    """The tool of this environment, whether or not the environment is activated."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else str(shutil.which(name))


def function_lengths() -> list[tuple[int, str]]:
    lengths = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) is not None else node.body
                first, last = (body[0].lineno, body[-1].end_lineno or 0) if body else (0, 0)
                lengths.append((last - first + 2, f"{path.relative_to(ROOT)}:{node.name}"))
    return sorted(lengths)


def test_ruff_finds_nothing() -> None:
    found = run(tool("ruff"), "check", ".")
    assert found.returncode == 0, found.stdout


def test_the_code_is_formatted() -> None:
    found = run(tool("ruff"), "format", "--check", ".")
    assert found.returncode == 0, found.stdout


def test_types_are_strict() -> None:
    found = run(tool("mypy"), "--strict", "xkd_core")
    assert found.returncode == 0, found.stdout


def test_imports_run_against_the_data_flow() -> None:
    found = run(tool("lint-imports"), "--no-cache")
    assert found.returncode == 0, found.stdout


def test_nine_functions_in_ten_are_under_thirty_lines() -> None:
    lengths = function_lengths()
    assert lengths[int(0.9 * len(lengths))][0] < 30, lengths[-20:]
    assert lengths[len(lengths) // 2][0] <= 12


def test_no_source_file_has_four_hundred_lines() -> None:
    long = {str(path.relative_to(ROOT)): n for path in SOURCES if (n := len(path.read_text().splitlines())) >= 400}
    assert not long


def test_test_files_have_names_of_their_own() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names))  # pytest takes two of one name for the same module


def test_pages_are_short_and_know_no_torch() -> None:
    for page in sorted(ROOT.glob("pages/*.py")):
        text = page.read_text()
        assert len(text.splitlines()) <= 150, page.name
        assert not re.search(r"^\s*(import|from) torch", text, flags=re.M), page.name


def test_weights_are_safetensors_and_they_and_the_rows_are_small() -> None:
    files = [path for path in (ROOT / "checkpoints").rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix in {".pt", ".pth", ".pkl", ".ckpt", ".bin"}]
    assert all(path.stat().st_size <= 15 * MIB for path in files)
    assert sum(path.stat().st_size for path in files) < 60 * MIB
    assert sum(path.stat().st_size for path in files if "results" in path.parts) < 10 * MIB


def test_every_shipped_card_says_how_good_its_run_is() -> None:
    """A slimmable run's says so for each of its widths."""
    cards = [json.loads(path.read_text()) for path in sorted(ROOT.glob("checkpoints/*/*/card.json"))]
    assert len(cards) > 100
    for card in cards:
        measured = [stop["metrics"] for stop in (card.get("stops") or {}).values()] or [card["metrics"]]
        assert all({"accuracy", "mAP"} & set(metrics) for metrics in measured), card["id"]


def test_readme_opens_with_a_picture_that_exists() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    picture = re.match(r"!\[(.+)\]\((.+)\)", lines[2])
    assert picture is not None
    assert (ROOT / picture[2]).exists()


def test_readme_names_only_commands_and_options_that_exist() -> None:
    text = (ROOT / "README.md").read_text()
    lines = re.findall(r"^python -m xkd_core (.+?)(?:\s+#.*)?$", text, flags=re.M)
    assert len(lines) >= 6
    for line in lines:
        words = line.split()
        options = [word for word in words if word.startswith("--")]
        depth = 2 if words[0] == "sweep" else 1
        shown = run(sys.executable, "-m", "xkd_core", *words[:depth], "--help")
        assert shown.returncode == 0, line
        assert all(option in shown.stdout for option in options), (line, shown.stdout)


def test_readmes_two_commands_install_what_the_code_imports() -> None:
    blocks = re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
    assert "requirements.txt" in blocks[0] and "streamlit run app.py" in blocks[0]
    assert "tests/requirements.txt" in blocks[1] and "pytest" in blocks[1]


def test_every_third_party_import_is_required_and_every_requirement_imported() -> None:
    names = {"sklearn": "scikit-learn", "skimage": "scikit-image", "PIL": "pillow", "yaml": "pyyaml",
             "pytorch_grad_cam": "grad-cam", "torch_pruning": "torch-pruning"}  # fmt: skip
    imported = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
                imported.add(node.module.split(".")[0])
    outside = {names.get(name, name) for name in imported - set(sys.stdlib_module_names) - {"xkd_core", "pages"}}
    # What only some need is an extra of pyproject.toml and imported where it is used.
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    outside -= {re.split(r"[<>=\[]", line)[0] for lines in extras.values() for line in lines}
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    required = {re.split(r"[<>=\[]", line)[0].strip() for line in lines if line and not line.startswith("#")}
    assert outside - required == set()
    # pyarrow is what pandas reads Parquet with: required, though never imported by name.
    assert required - outside - {"pyarrow"} == set()


def test_version_and_changelog_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    top = re.search(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), flags=re.M)
    assert top is not None
    assert project["version"] == top[1] == xkd_core.__version__


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md"])
def test_no_path_of_a_machine_is_written_down(name: str) -> None:
    assert not re.search(r"(^|[\s\"'(])/(home|root|work|Users|tmp)/", (ROOT / name).read_text(), flags=re.M)
