"""The comparison as text: class maps stand under the name that they are stored by, with the label of their network."""

from __future__ import annotations

import pytest

from tests.made_zoo import make_zoo
from xkd_core.evaluation.summary import summary
from xkd_core.models.checkpoints import list_runs, write_metrics
from xkd_core.results.store import merge_rows, read_rows, results_dir


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_zoo(tmp_path_factory.mktemp("summary")).root


def lines(text: str, heading: str) -> list[str]:
    """The rows of one table."""
    return [line for line in text.partition(f"{heading}\n")[2].partition("\n#")[0].splitlines()[2:] if line]


def test_class_maps_of_networks_without_cam_are_compared_by_grad_cam(root) -> None:
    before = summary("scenes", root=root)
    by_cam = lines(before, "## Similarity to the teacher: cam")
    assert len(by_cam) > 3 and any("SWA" in line and line.endswith("yes |") for line in by_cam)
    assert "grad_cam" not in before

    rows = read_rows("scenes", "maps", root=root).assign(explainer="grad_cam")
    (results_dir("scenes", root) / "maps.parquet").unlink()
    merge_rows("scenes", "maps", rows, root=root)
    for card in list_runs(root):
        write_metrics(card.model_copy(update={"arch": "vgg7"}), root)
    after = summary("scenes", root=root)
    assert lines(after, "## Similarity to the teacher: grad_cam") == by_cam
    assert "## Similarity to the teacher: cam" not in after
    assert "| width | paired seeds | grad_cam cosine |" in after


def test_networks_of_two_kinds_are_no_seeds_of_each_other(tmp_path) -> None:
    made = make_zoo(tmp_path)
    one, other = (made.runs[name] for name in ("kd 0.25 0.5", "kd 0.125 0.5"))
    cards = {card.id: card for card in list_runs(made.root)}
    write_metrics(cards[other].model_copy(update={"width": cards[one].width, "arch": "vgg_gap_32"}), made.root)
    text = summary("scenes", root=made.root)
    titles = [line.split("|")[1].strip() for line in lines(text, "## Answers")]
    assert [title for title in titles if title.startswith("/4 naive β 0")] == [
        f"/4 naive β 0, {arch} of {made.runs['teacher']}" for arch in ("vgg_gap_32", cards[one].arch)
    ]


def test_a_row_of_some_seeds_says_of_how_many(tmp_path) -> None:
    made = make_zoo(tmp_path)
    first, second = made.runs["kd 0.25 0.5"], "scenes-twin"
    card = next(card for card in list_runs(made.root) if card.id == first)
    folder = made.root / "scenes" / second
    folder.mkdir()
    (folder / "card.json").write_text(card.model_copy(update={"id": second, "seed": 1}).model_dump_json())
    answers = read_rows("scenes", "answers", root=made.root)
    merge_rows("scenes", "answers", answers[answers["run_id"] == first].assign(run_id=second), root=made.root)
    text = summary("scenes", root=made.root)
    (row,) = (one for one in lines(text, "## Similarity to the teacher: cam") if one.startswith("| /4 naive β 0 |"))
    assert row.split("|")[2].strip() == "1 of 2"
    (gap,) = (one for one in lines(text, "## SWA minus naive, paired over the same images") if one.startswith("| /4 |"))
    assert "(1 of 2)" in gap
