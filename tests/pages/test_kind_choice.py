"""How students were made small and what they were matched by are two choices, of what there is."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.made_zoo import Made
from tests.pages.seen import payload

PRUNED = ("kd 0.25 0.5", "swa 0.25 0.5")


@pytest.fixture
def both(made, tmp_path) -> Made:
    """The made zoo with two of its students again, as if their filters had been pruned."""
    root = tmp_path / "both"
    shutil.copytree(made.root, root)
    for name in PRUNED:
        folder = root / "scenes" / made.runs[name]
        card = json.loads((folder / "card.json").read_text())
        new = shutil.copytree(folder, folder.with_name(f"{card['id']}-f"))
        (new / "card.json").write_text(json.dumps({**card, "id": f"{card['id']}-f", "compression": "structured"}))
    return Made(root, made.runs)


def ids(app) -> set[str]:
    return set(payload(app)["runs"])


@pytest.mark.parametrize("page", ["explore", "compression"])
def test_a_kind_is_chosen_before_the_method(open_page, both, page):
    app = open_page(page, root=both.root)
    kinds = app.selectbox(key="kind")
    assert kinds.value == "width" and list(kinds.options) == ["Fewer channels", "Filters pruned"]
    assert not any(run_id.endswith("-f") for run_id in ids(app))
    kinds.select("filters").run()
    assert not app.exception
    assert app.selectbox(key="match").options == ["SWA"]
    assert ids(app) == {both.runs["teacher"], *(f"{both.runs[name]}-f" for name in PRUNED)}
    assert app.query_params["kind"] in ("filters", ["filters"])
    app.selectbox(key="kind").select("width").run()
    assert "EWA" in app.selectbox(key="match").options


def test_a_run_in_the_link_decides_both(open_page, both):
    app = open_page(root=both.root, run=f"{both.runs['swa 0.25 0.5']}-f")
    assert not app.exception and not app.warning
    assert (app.selectbox(key="kind").value, app.selectbox(key="match").value) == ("filters", "swa")


def test_one_kind_is_no_choice(open_page):
    app = open_page()
    assert not [box for box in app.selectbox if box.key == "kind"]
    assert open_page(kind="weights").exception == []
