"""How far maps and metrics are from their second derivations: ``python -m docs.make_oracles`` writes docs/oracles.md.

The tests of maps and metrics run once (about a minute) with a plugin that keeps the largest difference they let pass.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.oracles import REFERENCE_TESTS
from tests.test_catalogue import ENTRIES, ORACLE_FILES, TABLES

HERE = Path(__file__).parent
FOLDERS = ("tests/metrics", "tests/explainers")
ALONE = sorted({test for test in REFERENCE_TESTS.values() if not test.startswith(FOLDERS)})
HEAD = """# Maps and metrics beside their second derivations

Written by `python -m docs.make_oracles`, which runs the tests of maps and metrics. Each entry of the catalogue is
compared with a plain restatement in `tests/` that imports nothing of the package, on made maps, networks and images,
with ties, zeros and undefined values among them; "calls" counts what the restatement was asked, or the runs of a test
that is the second derivation. "largest difference"
is the largest that a comparison let pass, divided by the value where that is above 1; "equal" are exact comparisons.
Where a library is right, a test compares with it too; where only a library is the second derivation, it is named.

| name | kind | second derivation | calls | largest difference |
|---|---|---|---|---|
"""


def differences() -> dict[str, dict[str, Any]]:
    """Run the tests; {name: {"calls", "largest"}}. Errors: CalledProcessError if a test fails."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "differences.json")
        plugins = ["-p", "tests.differences", "-p", "no:cacheprovider"]
        command = [sys.executable, "-m", "pytest", "-q", *plugins, *FOLDERS, *ALONE]
        subprocess.run(command, check=True, cwd=HERE.parent, env={**os.environ, "XKD_DIFFERENCES": str(path)})
        found: dict[str, dict[str, Any]] = json.loads(path.read_text())
    return found


def table(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """One line for each entry of the catalogue."""
    sources = {name: f"tests/{path.name}" for path, names in zip(ORACLE_FILES, TABLES, strict=True) for name in names}
    for name, entry in ENTRIES.items():
        facts = found[name]
        source = sources.get(name) or REFERENCE_TESTS[name].replace("::", ", ")
        apart = f"{facts['largest']:.0e}" if facts["largest"] else "equal"
        yield f"| {name} | {entry.family} | {source} | {facts['calls']} | {apart} |"


if __name__ == "__main__":
    (HERE / "oracles.md").write_text(HEAD + "\n".join(table(differences())) + "\n")
