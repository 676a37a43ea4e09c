"""The chart as a picture: every box and band is in it at its place, and both formats open."""

from __future__ import annotations

import io
from xml.etree import ElementTree

import pytest
from PIL import Image

from pages._ui import metric_figures
from tests.made_metrics import add_metrics
from tests.made_zoo import make_zoo
from xkd_core.serving import chart_picture, metric_rows
from xkd_core.serving import metrics_view as view
from xkd_core.serving.chart_picture import Area, Stroke, Words
from xkd_core.serving.results import read_results
from xkd_core.serving.zoo import read_zoo


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    made = make_zoo(tmp_path_factory.mktemp("picture_zoo"))
    add_metrics(made)
    zoo = read_zoo("scenes", root=made.root)
    metrics = metric_rows.all_metrics(read_results("scenes", root=made.root), root=made.root)
    ask = view.Ask(metric="insertion_auc", explainer="cam", axis="ratio", families=("naive", "swa"),
                   choice=zoo.default("swa"))  # fmt: skip
    return view.chart(metrics, zoo, ask)


def test_every_mean_and_control_is_in_the_picture(found):
    layout = metric_figures.layout(found)
    parts = metric_figures.picture(found)
    marks = [part for part in parts if isinstance(part, Area) and part.filled and part.width == 10]
    assert len(marks) == len(found.groups) == 4
    centres = sorted(part.y + 5 for part in marks)
    assert centres == pytest.approx(sorted(layout.y(box.line.shared.mean) for box in found.boxes))
    words = [part.words for part in parts if isinstance(part, Words)]
    assert "random map 0.20" in words and "Naive" in words and "9 images, the same for every mark" in " ".join(words)
    assert layout.y(layout.ends[0]) > layout.y(layout.ends[1])  # high values stand high
    assert all(0 <= part.x1 <= chart_picture.WIDTH for part in parts if isinstance(part, Stroke))


def test_both_formats_open(found):
    parts = metric_figures.picture(found)
    root = ElementTree.fromstring(chart_picture.to_svg(parts))
    assert len(root) == len(parts) + 1  # and the paper
    image = Image.open(io.BytesIO(chart_picture.to_png(parts)))
    assert image.size == (2 * chart_picture.WIDTH, 2 * chart_picture.HEIGHT)
    assert len(image.getcolors(1 << 20)) > 5
