"""What a visitor takes away: raw maps, a table of numbers, a figure, and Python that makes the maps again."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from xkd_core import catalogue
from xkd_core.models.cards import Card
from xkd_core.serving.subjects import UPLOAD
from xkd_core.serving.views import ImageView
from xkd_core.serving.zoo import Row, describe

_SNIPPET = '''"""The maps on screen, computed again. Run it in the repository's root."""
import torch

from xkd_core.explainers.engine import explain
from xkd_core.images.datasets import load
from xkd_core.images.transforms import to_input
from xkd_core.models.checkpoints import load_run

data = load({dataset!r}, {split!r})
pixels = data.pixels([{index}])  # (1, H, W, 3) uint8
runs = {{run_id: load_run(run_id) for run_id in {run_ids!r}}}
transform = next(iter(runs.values())).card.input_transform()
training = load({networks!r}, {training!r})
found = explain(
    {{run_id: run.model for run_id, run in runs.items()}},
    to_input(pixels, transform),
    {{run_id: torch.tensor([target]) for run_id, target in {targets!r}.items()}},
    names={names!r},
    images=pixels,
    background=to_input(training.pixels(range(50)), training.info.transform),
)
for run_id, maps in found.items():
    for name, explanation in maps.items():
        grid = explanation.maps[0]  # raw, signed, float32
        print(run_id, name, grid.shape, float(grid.max()))
'''


def table(view: ImageView, cards: Mapping[Row, Card], explainers: Sequence[str]) -> pd.DataFrame:
    """One row per run and explainer on screen, one column per metric; undefined numbers are empty."""
    rows: list[dict[str, object]] = []
    for row, card in cards.items():
        run = view.runs[card.id]
        for name in explainers:
            if name not in run.maps:
                continue
            scores = run.scores.get(name)
            rows.append(
                {
                    "image": view.subject.key.spec,
                    "model": row,
                    "run": card.id,
                    "settings": describe(card),
                    "explained class": view.subject.classes[run.target],
                    "says": run.answer.says,
                    "confidence": round(run.answer.prob, 4),
                    "explainer": catalogue.get("explainer", name).title,
                    **({} if scores is None else scores.values),
                    "cosine_shuffled": None if scores is None else scores.shuffled,
                }
            )
    return pd.DataFrame(rows)


def csv(frame: pd.DataFrame) -> bytes:
    """The table as CSV in UTF-8."""
    return frame.to_csv(index=False).encode()


def npy(view: ImageView, cards: Mapping[Row, Card], explainer: str) -> bytes:
    """Raw signed maps of one explainer, (models, h, w) float32, in the order of the rows on screen."""
    maps = [view.runs[card.id].maps[explainer] for card in cards.values() if explainer in view.runs[card.id].maps]
    buffer = io.BytesIO()
    np.save(buffer, np.stack(maps) if maps else np.zeros((0, 0, 0), dtype=np.float32), allow_pickle=False)
    return buffer.getvalue()


def snippet(view: ImageView, cards: Mapping[Row, Card], explainers: Sequence[str]) -> str:
    """Python that computes the maps on screen again; an uploaded image has to be loaded by hand."""
    key = view.subject.key
    networks = key.networks
    text = _SNIPPET.format(
        dataset=key.dataset,
        split=key.split,
        index=key.index,
        run_ids=[card.id for card in cards.values()],
        networks=networks,
        training={"scenes": "transfer"}.get(networks, "train"),
        targets={card.id: view.runs[card.id].target for card in cards.values()},
        names=list(explainers),
    )
    if key.dataset != UPLOAD:
        return text
    uploaded = "from xkd_core.images.photos import centred_square\nfrom xkd_core.images.uploads import decode\n"
    start, end = text.index("data = load"), text.index("runs = {")
    pixels = 'square = centred_square(decode(open("your-image.png", "rb").read()))[None]\n'
    text = text[:start] + pixels + text[end:]
    text = text.replace("from xkd_core.images.transforms import to_input\n",
                        "from xkd_core.images.transforms import to_input, to_pixels\n" + uploaded)  # fmt: skip
    return text.replace("training = ", "pixels = to_pixels(to_input(square, transform), transform)\ntraining = ", 1)
