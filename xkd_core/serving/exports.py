"""What a visitor takes away: raw maps, a table of numbers, a figure, and Python that makes the maps again."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

from xkd_core import catalogue
from xkd_core.evaluation.rows import SIMILARITIES, averaged_down
from xkd_core.serving.names import describe
from xkd_core.serving.sentences import comparable, policy_words
from xkd_core.serving.sheets import Cell, Sheet
from xkd_core.serving.subjects import UPLOAD
from xkd_core.serving.views import ImageView

_SNIPPET = '''"""The maps on screen, computed again. Run it in the repository's root."""
import torch

from xkd_core.explainers.engine import explain
from xkd_core.images.datasets import load
from xkd_core.images.transforms import to_input
from xkd_core.models.checkpoints import load_run
from xkd_core.serving.explaining import background

data = load({dataset!r}, {split!r})
pixels = data.pixels([{index}])  # (1, H, W, 3) uint8
runs = {{run_id: load_run(run_id) for run_id in {run_ids!r}}}
transform = next(iter(runs.values())).card.input_transform()
found = explain(
    {{run_id: run.model for run_id, run in runs.items()}},
    to_input(pixels, transform),
    {{run_id: torch.tensor([target]) for run_id, target in {targets!r}.items()}},
    names={names!r},
    images=pixels,
    background={background},  # GradientSHAP's
)
for run_id, maps in found.items():
    for name, explanation in maps.items():
        grid = explanation.maps[0]  # raw, signed, float32
        print(run_id, name, grid.shape, float(grid.max()))
'''


def table(view: ImageView, sheet: Sheet) -> pd.DataFrame:
    """One row per run and explainer on screen: model, explainer, every metric, then what was asked and answered.

    Undefined numbers are empty, and so are similarities of a map of another class than the teacher's.
    """
    cells = [cell for cell in sheet.cells if cell.explainer in view.runs[cell.card.id].maps]
    metrics = pd.DataFrame([_numbers(view, cell) for cell in cells])
    order = list(catalogue.METRICS)
    metrics = metrics[sorted(metrics.columns, key=lambda name: order.index(name) if name in order else 0.5)]
    return pd.concat([pd.DataFrame([_what(cell) for cell in cells]), metrics,
                      pd.DataFrame([_about(view, cell) for cell in cells])], axis=1)  # fmt: skip


def _what(cell: Cell) -> dict[str, object]:
    return {"model": cell.row, "explainer": catalogue.get("explainer", cell.explainer).title,
            "settings": describe(cell.card)}  # fmt: skip


def _numbers(view: ImageView, cell: Cell) -> dict[str, float | None]:
    run = view.runs[cell.card.id]
    scores = run.scores.get(cell.explainer)
    if scores is None:
        return {}
    found = {**scores.values, "cosine_shuffled": scores.shuffled}
    hidden = () if comparable(view, run) else (*SIMILARITIES, "cosine_shuffled")
    return {name: None if name in hidden else value for name, value in found.items()}


def _about(view: ImageView, cell: Cell) -> dict[str, object]:
    run = view.runs[cell.card.id]
    return {
        "explained class": view.subject.classes[run.target],
        "class chosen by": policy_words(view.policy),
        "says": run.answer.says,
        "confidence": round(run.answer.prob, 4),
        "image": view.subject.key.spec,
        "run": cell.card.id,
    }


def csv(frame: pd.DataFrame) -> bytes:
    """The table as CSV in UTF-8."""
    return frame.to_csv(index=False).encode()


def npy(view: ImageView, sheet: Sheet, explainer: str) -> bytes:
    """Raw signed maps of one explainer, (models, h, w) float32, in the order of the panels on screen.

    Maps of networks with different grids are averaged down to the smallest.
    """
    runs = [view.runs[card.id] for card in sheet.cards]
    maps = [run.maps[explainer] for run in runs if explainer in run.maps]
    smallest = min((grid.shape for grid in maps), default=(0, 0))
    maps = [grid if grid.shape == smallest else averaged_down(grid[None], smallest)[0] for grid in maps]
    buffer = io.BytesIO()
    np.save(buffer, np.stack(maps) if maps else np.zeros((0, 0, 0), dtype=np.float32), allow_pickle=False)
    return buffer.getvalue()


def snippet(view: ImageView, sheet: Sheet) -> str:
    """Python that computes the maps on screen again; an uploaded image has to be loaded by hand."""
    key = view.subject.key
    instead = {name: other for card in sheet.cards for name, other in view.runs[card.id].instead.items()}
    text = _SNIPPET.format(
        dataset=key.dataset,
        split=key.split,
        index=key.index,
        run_ids=[card.id for card in sheet.cards],
        background=f"background({key.networks!r}, outside={key.outside})",
        targets={card.id: view.runs[card.id].target for card in sheet.cards},
        names=[instead.get(name, name) for name in sheet.explainers],
    )
    if key.dataset != UPLOAD:
        return text
    uploaded = "from xkd_core.images.photos import centred_square\nfrom xkd_core.images.uploads import decode\n"
    start, end = text.index("data = load"), text.index("runs = {")
    pixels = 'square = centred_square(decode(open("your-image.png", "rb").read()))[None]\n'
    text = text[:start] + pixels + text[end:]
    text = text.replace("from xkd_core.images.transforms import to_input\n",
                        "from xkd_core.images.transforms import to_input, to_pixels\n" + uploaded)  # fmt: skip
    return text.replace("found = ", "pixels = to_pixels(to_input(square, transform), transform)\nfound = ", 1)
