"""What the viewer's script gets: one image, the maps of all its runs and every word under a panel, as plain JSON."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from pages._ui.viewer.look import Look
from pages._ui.words import SIGN_NOTES
from xkd_core import catalogue, rendering
from xkd_core.colours import TABLES
from xkd_core.models.cards import Card
from xkd_core.results.in_loss import have_cam, was_in_loss
from xkd_core.serving.curves import axis_values
from xkd_core.serving.figure import fine
from xkd_core.serving.names import describe, title
from xkd_core.serving.results import Bar, Results
from xkd_core.serving.sentences import (
    answer_words,
    comparable,
    number,
    policy_words,
    quality_words,
    unfinished,
    verdict,
)
from xkd_core.serving.sheets import ROW_TITLES, lost
from xkd_core.serving.stored import superpixel_count
from xkd_core.serving.views import ALONE, ImageView, RunView, impossible
from xkd_core.serving.zoo import ROWS, Choice, Row, Zoo

AXES = {"lam": "λ, distillation", "ratio": "Ratio", "beta": "β, matching"}


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Everything on screen: the image with its maps, the runs, the sliders and how to draw."""

    view: ImageView
    zoo: Zoo
    choice: Choice
    look: Look
    explainers: tuple[str, ...]
    results: Results
    bars: Mapping[str, Bar]  # explainer -> what a cosine is read against
    turn: int = 0
    talk: bool = False
    film: str | None = None  # an explainer: columns are compressions instead of explainers


def payload(scene: Scene) -> dict[str, Any]:
    """The component's data; see viewer.js for how each part is used."""
    view, subject = scene.view, scene.view.subject
    mask = subject.masks.get(view.target) if view.target is not None else None
    axes = _axes(scene)
    return {
        "subject": f"{subject.key.spec} {view.policy} {scene.zoo.stamp}",
        "size": subject.photo.shape[0],
        "photo": "data:image/png;base64," + _base64(rendering.png(subject.photo)),
        "mask": None if mask is None else _base64(np.packbits(mask).tobytes()),
        "tables": {name: _base64(table.tobytes()) for name, table in TABLES.items()},
        "layout": {"rows": _rows(scene), "columns": _columns(scene), "sliders": _sliders(scene, axes)},
        "axes": axes,
        "where": {row: _where(scene, row, axes) for row in ROWS},
        "runs": {run_id: _run(scene, scene.zoo.by_id[run_id], run) for run_id, run in view.runs.items()},
        "lost": {run_id: lost(view, scene.zoo.by_id[run_id]) for run_id in _wanted(scene) if run_id not in view.runs},
        "choice": {name: getattr(scene.choice, name) for name in AXES} | {"turn": scene.turn},
        "look": asdict(scene.look),
        "talk": scene.talk,
        "film": scene.film,
    }


def _axes(scene: Scene) -> dict[str, list[float]]:
    """Values of the sliders; an axis without any (no matched run) has the one value of the choice."""
    if scene.choice.pair is not None:
        return {name: [getattr(scene.choice, name)] for name in AXES}
    family = scene.choice.family
    return {name: list(axis_values(scene.zoo, name, family)) or [getattr(scene.choice, name)] for name in AXES}


def _sliders(scene: Scene, axes: Mapping[str, Sequence[float]]) -> list[dict[str, Any]]:
    names = [name for name in AXES if len(axes[name]) > 1 and not (scene.film and name == "ratio")]
    texts = {
        "lam": _lam_text,
        "ratio": lambda value: scene.zoo.how_small(value, scene.choice.family),
        "beta": lambda value: f"{value:g}",
    }
    return [
        {
            "name": name,
            "title": AXES[name].split(",")[0] if scene.talk else AXES[name],
            "values": axes[name],
            "texts": [texts[name](value) for value in axes[name]],
        }
        for name in names
    ]


def _lam_text(lam: float) -> str:
    return f"{lam:g}" + {0.0: ", labels only", 1.0: ", teacher only"}.get(lam, "")


def _rows(scene: Scene) -> list[dict[str, str]]:
    family = scene.choice.family
    rows = [
        row
        for row in ROWS
        if (row == "teacher" and scene.film is None)
        or (row != "teacher" and (scene.choice.pair or scene.zoo.of(row, family)))
    ]
    return [{"role": row, "title": ROW_TITLES[row]} for row in rows]


def _columns(scene: Scene) -> list[dict[str, Any]]:
    if scene.film is None:
        return [
            {"title": catalogue.get("explainer", name).title, "note": column_note(scene, name), "method": name,
             "fine": fine(name)}
            for name in scene.explainers
        ]  # fmt: skip
    ratios = axis_values(scene.zoo, "ratio", scene.choice.family) or (scene.choice.ratio,)
    shared = {"method": scene.film, "fine": fine(scene.film)}
    teacher = {"title": "Teacher", "note": "for comparison", "role": "teacher"} | shared
    return [teacher] + [
        {"title": how[0].upper() + how[1:], "note": much, "fixed": {"ratio": ratio}} | shared
        for ratio in ratios
        for how, _, much in [scene.zoo.how_small(ratio, scene.choice.family).partition(", ")]
    ]  # fmt: skip


def column_note(scene: Scene, name: str) -> str:
    """Native resolution, what the sign means where it misleads, and which column shows the same map by algebra."""
    entry = catalogue.get("explainer", name)
    equal = entry.equal_on_gap if have_cam(scene.zoo.cards) else ()
    same = [catalogue.get("explainer", other).title for other in equal if other in scene.explainers]
    native = f"the same as {same[0]} here, by algebra" if same else _native(scene.view, name)
    return "; ".join(word for word in (native, SIGN_NOTES.get(name, "")) if word)


def _native(view: ImageView, name: str) -> str:
    size = view.subject.input.shape[0]
    if name == "occlusion":
        side = catalogue.windows(size, {})[2]
        return f"{side} x {side} windows"
    grid = catalogue.get("explainer", name).grid
    if grid == "superpixels":
        return f"{superpixel_count(view.subject.input)} superpixels"
    if grid == "pixels":
        return f"{size} x {size} pixels"
    height, width = next((run.maps["cam"].shape for run in view.runs.values() if "cam" in run.maps), (8, 8))
    return f"{height} x {width} cells"


def _where(scene: Scene, row: Row, axes: Mapping[str, Sequence[float]]) -> list[list[list[list[str | None]]]]:
    """[λ][ratio][β] -> [run id, how it differs from the sliders]; the id is None when there is no run."""

    def run(lam: float, ratio: float, beta: float) -> list[str | None]:
        wanted = replace(scene.choice, lam=lam, ratio=ratio, beta=beta)
        pick = scene.zoo.pick(row, wanted)
        return [None, ""] if pick is None else [pick.card.id, pick.note]

    return [[[run(lam, ratio, beta) for beta in axes["beta"]] for ratio in axes["ratio"]] for lam in axes["lam"]]


def _run(scene: Scene, card: Card, run: RunView) -> dict[str, Any]:
    is_teacher = card.role == "teacher"
    names = scene.explainers if scene.film is None else (scene.film,)
    return {
        "title": title(card),
        "settings": describe(card),
        "answer": answer_words(run),
        "verdict": verdict(scene.view, run),
        "quality": quality_words(card),
        "unfinished": unfinished(card),
        "never": {name: why for name in names if (why := impossible(name, card))},
        "cells": {name: _cell(scene, card, run, name) for name in names if is_teacher or name in run.maps},
    }


def _cell(scene: Scene, card: Card, run: RunView, name: str) -> dict[str, Any] | None:
    grid, scores = run.maps.get(name), run.scores.get(name)
    if grid is None:
        return None
    view = scene.view
    same = comparable(view, run)
    cosine = None if scores is None else scores.cosine
    bar = None if view.subject.key.outside else scene.bars.get(name)
    similarity = "reference" if card.id == _teacher_id(scene) else f"cosine {number(cosine)}"
    if scores is not None and scores.reason == ALONE:
        similarity = "no map of the teacher"
    explained = view.subject.classes[run.target]
    return {
        "grid": _base64(np.ascontiguousarray(grid, dtype="<f4").tobytes()),
        "height": grid.shape[0],
        "width": grid.shape[1],
        "reason": None if np.isfinite(grid).all() else "not a finite map",
        "score": similarity if same else "other class",
        "class": f"class: {explained} ({policy_words(view.policy)})",
        "other": not same,
        "control": _control(scene, card, run, name) if same else "",
        "badge": _badge(scene, card, run, name),
        "detail": _pointing(run, name),
        "moved": same and bar is not None and cosine is not None and cosine < bar.value,
        "alt": f"{catalogue.get('explainer', name).title} heatmap of the {title(card).lower()} ({describe(card)}) for "
        f"{explained}; {similarity if same else 'other class'}",
    }


def cell_words(scene: Scene, card: Card, run: RunView, name: str) -> tuple[str, str]:
    """Alt text and caption of one panel, for the plain form."""
    cell = _cell(scene, card, run, name)
    if cell is None:
        why = impossible(name, card) or "not computed yet"
        return f"{catalogue.get('explainer', name).title} of the {title(card).lower()}: {why}", why
    words = [cell["score"], "moved" if cell["moved"] else ""]
    words += [cell[part] for part in ("class", "control", "badge", "detail")]
    return cell["alt"], ", ".join(word for word in [*words, cell["reason"] or ""] if word)


def _control(scene: Scene, card: Card, run: RunView, name: str) -> str:
    """The same cosine with the teacher's map of another image: what a map that knows nothing would get."""
    if card.id == _teacher_id(scene):
        return ""
    scores = run.scores.get(name)
    value = None if scores is None else scores.shuffled
    if value is None and scene.view.policy == "teacher":
        stored = scene.results.row(card.id, name, scene.view.subject.key.index).get("cosine_shuffled")
        value = None if stored is None or stored != stored else float(str(stored))
    return "" if value is None else f"shuffled {value:.2f}"


def _badge(scene: Scene, card: Card, run: RunView, name: str) -> str:
    """Which other explainer drew the map, on which other grid, and whether it is what the training asked for."""
    other = run.instead.get(name)
    words = [f"{catalogue.get('explainer', other).title}: no CAM in this network"] if other else []
    teacher = scene.view.runs.get(str(_teacher_id(scene)))
    if teacher is not None and name in teacher.maps and teacher.maps[name].shape != run.maps[name].shape:
        words += ["{} x {} cells".format(*run.maps[name].shape)]
    if card.role == "teacher":
        return ", ".join(words)
    return ", ".join(["in the loss" if was_in_loss(card, name) else "not in the loss", *words])


def _pointing(run: RunView, name: str) -> str:
    scores = run.scores.get(name)
    hit = None if scores is None else scores.values.get("pointing")
    return "" if hit is None else ("peak on the object" if hit else "peak off the object")


def _wanted(scene: Scene) -> tuple[str, ...]:
    """The teacher and every student that the sliders can show."""
    return (*([scene.zoo.teacher.id] if scene.zoo.teacher else []), *scene.zoo.within_reach(scene.choice))


def _teacher_id(scene: Scene) -> str | None:
    return None if scene.zoo.teacher is None else scene.zoo.teacher.id


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
