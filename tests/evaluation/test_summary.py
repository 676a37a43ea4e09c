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
    assert "| width | grad_cam cosine |" in after
