"""The learned map of paper 002 judged: ``python -m docs.make_surrogate`` writes docs/surrogate.md and surrogate.png.

Cards and stored rows are read; the picture explains a few images anew and needs the run's weights. ``--time`` measures
the speeds before (half a minute, on a machine that does nothing else) and keeps them in docs/surrogate_speed.json.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from docs.beside import tables
from docs.failures import COLUMNS, PICTURE, Failure, failures, picture
from docs.lines import Line, lines, measured, values
from docs.speeds import measure_speeds
from docs.text import interval, page, table
from xkd_core.catalogue import EXPLAINERS
from xkd_core.claims.paper_002 import MAKE
from xkd_core.claims.stored import Stored, read_stored
from xkd_core.distillation.surrogate import ALL_ONES, ALL_ZEROS, FLAT_SPAN
from xkd_core.evaluation.summary import over_seeds
from xkd_core.metrics.paired_tests import holm, paired_test
from xkd_core.metrics.seeds_and_images import difference_over_seeds
from xkd_core.metrics.statistics import Estimate, paired_difference
from xkd_core.models.cards import Card
from xkd_core.models.checkpoints import is_here

HERE = Path(__file__).parent
SPEEDS = HERE / "surrogate_speed.json"
DATASET = "scenes"
LEARNED = "surrogate"
RIVALS = ("rise", "lime", "grad_cam", "random_map", "centre_gaussian")
METRICS = {"deletion_auc": "deletion", "insertion_auc": "insertion", "pointing": "pointing", "mean_l1": "mean size"}
BETTER = {"deletion_auc": -1, "insertion_auc": 1, "pointing": 1}
SIGNIFICANT = 0.05
HEAD = f"""# The learned map of the attentive student

Written by `python -m docs.make_surrogate` from the cards and stored rows of `checkpoints/{DATASET}`. An attentive
ResNet-18 (paper 002, at 1/8 width) learned to answer like its teacher and, at the same time, to draw a map H that keeps
the answer when everything else is hidden. **Whose answer** is a choice: here the teacher's (`through: teacher`, as in
the paper's text; its Fig. 2 shows the student's, `through: student`, which is not trained here). But deletion and
insertion hide pixels from the **student**, and pointing sets H beside maps that explain the student: a map that keeps
the teacher's answer need not show what the student looks at, so these numbers judge it by something else than it was
trained for. The map costs one forward pass. It is judged here against RISE, LIME and
Grad-CAM **of the same network**, and against two maps that know nothing. All explain the class that the teacher names
first; H itself explains the whole answer, whatever the class."""
NONE = f"""No such run is here yet: `python -m xkd_core sweep run checkpoints/{DATASET}/sweep.yaml`, then

```bash
{MAKE}
```"""
UNMEASURED = f"Its maps are not measured yet:\n\n```bash\n{MAKE}\n```"
JUDGED = """Deletion: how much of the answer is left while the map's strongest pixels become the mean colour, lower is
better. Insertion: how fast it comes back on a blurred image, higher is better. Pointing: whether the strongest pixel
lies on the object, higher is better. Mean size: the mean over the largest value, how much of the image is claimed; no
direction is better. 95 % intervals over images (and seeds)."""
GAPS = """Learned minus the other, paired over the same images. Holm's correction of Wilcoxon's p (of pointing, which
is 0 or 1, the exact sign test's) runs over all questions of one student. "better" and "worse" need an interval without
0 and p below .05."""
WEIGHTS = """The paper adds its ℓ1 term to a divergence that is summed over the classes. On images with several labels
ours is a mean over the labels, so beside it the same weight counts as many times as there are labels: on these eight,
.5 and 5 are what 4 and 40 would be in the paper's scale (its own are .5 and 5, for 1e-5 and 1e-4 over 224 x 224
pixels)."""
OFFSET = (
    "The mean intensity here is the mean over the largest value: RISE's maps do not begin at 0, so their constant "
    "offset is in it, and it cannot be set against the others'."
)
FAILED = """The images on which the learned map does worst beside the random map: the largest deletion score minus that
of the random map. The rule chose them, nobody else."""
DRAWN = f"""Left to right: {", ".join(COLUMNS)}; white line: the object. Each map over its own largest
value."""


def main(arguments: Sequence[str] = ()) -> None:
    """Write the document, and the picture where the weights are here."""
    if "--time" in arguments:
        SPEEDS.write_text(json.dumps(measure_speeds(), indent=1, ensure_ascii=False) + "\n")
    stored = read_stored(DATASET)
    for line in shown(stored)[:1]:
        if is_here(line.first) and (found := failures(stored, line.first)):
            PICTURE.write_bytes(picture(line.first, found))
    (HERE / "surrogate.md").write_text(text())


def text(dataset: str = DATASET) -> str:
    """The text of the document."""
    stored = read_stored(dataset)
    found = shown(stored)
    body = [part for line in found for part in _of(stored, line, pictured=line is found[0])] or [NONE]
    return page([HEAD, WEIGHTS, *body, "## Maps per second", _speeds(), "## Beside the paper", _paper(stored, found)])


def shown(stored: Stored) -> list[Line]:
    """Attentive students, the one with the paper's ℓ1 weight first."""
    return [line for line in lines(stored) if line.first.method == LEARNED]


def _of(stored: Stored, line: Line, *, pictured: bool) -> Iterator[str]:
    weight = line.first.recipe.get("l1_weight", 0.5)
    yield f"## ℓ1 weight {weight:g}"
    yield _student(stored, line)
    if measured(stored, line.ids, LEARNED, "deletion_auc") is None:
        yield UNMEASURED
        return
    gaps = differences(stored, line)
    yield f"**Verdict.** {verdict(gaps)}"
    yield JUDGED
    yield _table(stored, line)
    yield GAPS
    yield _gap_table(gaps)
    yield from _failures(stored, line, pictured=pictured)


def _student(stored: Stored, line: Line) -> str:
    card, teacher = line.first, stored.zoo.teacher
    quality = {name: over_seeds(line.metric(name)) for name in ("mAP", "accuracy", "agreement") if line.metric(name)}
    own = "; ".join(f"{name} {value}" for name, value in quality.items()) or "answers not measured yet"
    beside = [f"its teacher {name} {teacher.metrics[name].value:.3f}" for name in ("mAP", "accuracy")
              if teacher is not None and name in teacher.metrics]  # fmt: skip
    return (
        f"{len(line.cards)} seed(s) (`{card.id}`), {card.params:,} parameters: {'; '.join([own, *beside])}. "
        f"{'Its validation curve had not come to rest. ' if card.undertrained else ''}{collapsed(card)}"
    )


def collapsed(card: Card) -> str:
    """What the card says about a collapse of the map, with the numbers it is judged by."""
    said = card.note or "The map did not collapse."
    mean, span, n = (card.extras.get(f"map/{name}", float("nan")) for name in ("mean", "span", "n"))
    return (
        f"{said} On {n:.0f} validation images its mean is {mean:.3f} and its range within an image {span:.3f} "
        f"(collapsed: a mean above {ALL_ONES:g} or below {ALL_ZEROS:g}, or a range below {FLAT_SPAN:g})."
    )


def _title(name: str) -> str:
    return "learned map" if name == LEARNED else EXPLAINERS[name].title


def _table(stored: Stored, line: Line) -> str:
    rows = []
    for name in (LEARNED, *RIVALS):
        found = [measured(stored, line.ids, name, metric) for metric in METRICS]
        if any(one is not None for one in found):
            n = max(one.n for one in found if one is not None)
            rows.append([_title(name), str(n), *map(interval, found)])
    return table(("map", "images", *METRICS.values()), rows)


def differences(stored: Stored, line: Line) -> Mapping[tuple[str, str], tuple[Estimate, float]]:
    """(rival, metric) -> learned minus rival and Holm's p; without what is not stored."""
    found, p_values = {}, {}
    for name in RIVALS:
        for metric in BETTER:
            pair = [values(stored, line.ids, one, metric) for one in (LEARNED, name)]
            if any(one is None for one in pair):
                continue
            a, b = (np.asarray(one.reindex(pair[0].index), dtype=np.float64).T for one in pair)  # (seeds, images)
            gap = difference_over_seeds(a, b, paired_seeds=True) if len(a) > 1 else paired_difference(a[0], b[0])
            found[name, metric] = gap
            p_values[f"{name} {metric}"] = paired_test(a.mean(axis=0), b.mean(axis=0), n_resamples=0).wilcoxon_p
    adjusted = holm(p_values, family="learned against others") if p_values else {}
    return {key: (gap, adjusted[" ".join(key)]) for key, gap in found.items()}


def _gap_table(gaps: Mapping[tuple[str, str], tuple[Estimate, float]]) -> str:
    rows = []
    for name in RIVALS:
        cells = [_gap_cell(gaps.get((name, metric)), metric) for metric in BETTER]
        rows.append([_title(name), *cells])
    return table(("learned minus", *(METRICS[metric] for metric in BETTER)), rows)


def _gap_cell(found: tuple[Estimate, float] | None, metric: str) -> str:
    if found is None:
        return "-"
    return f"{interval(found[0])}, n = {found[0].n}, p = {found[1]:.2g}: {outcome(*found, metric)}"


def outcome(gap: Estimate, p: float, metric: str) -> str:
    """'better', 'worse' or 'not told apart'."""
    if not gap.side or not p < SIGNIFICANT:
        return "not told apart"
    return "better" if gap.side == BETTER[metric] else "worse"


def verdict(gaps: Mapping[tuple[str, str], tuple[Estimate, float]]) -> str:
    """One sentence for each metric, from the outcomes."""
    words = []
    for metric in BETTER:
        by: dict[str, list[str]] = {}
        for name in RIVALS:
            if (name, metric) in gaps:
                by.setdefault(outcome(*gaps[name, metric], metric), []).append(_title(name))
        found = "; ".join(f"{word} {'from' if 'apart' in word else 'than'} {', '.join(names)}"
                          for word, names in by.items())  # fmt: skip
        words.append(f"{METRICS[metric].capitalize()}: {found or 'not measured'}.")
    return " ".join(words)


def _failures(stored: Stored, line: Line, *, pictured: bool) -> Iterator[str]:
    found = failures(stored, line.first)
    if not found:
        return
    yield f"### Where it fails\n\n{FAILED}"
    if pictured:
        yield f"{DRAWN}\n\n![Images on which the learned map fails, with the maps of four explainers]({PICTURE.name})"
    yield table(("row", "image", "shown", "explained", "learned: deletion", "random: deletion"),
                [_failure_row(number, one) for number, one in enumerate(found, 1)])  # fmt: skip


def _failure_row(number: int, one: Failure) -> tuple[str, ...]:
    return (str(number), f"test:{one.index}", one.labels, one.target, f"{one.learned:.3f}", f"{one.random:.3f}")


def _speeds() -> str:
    if not SPEEDS.exists():
        return "Not measured yet: `python -m docs.make_surrogate --time`."
    found = json.loads(SPEEDS.read_text())
    plain = found["per_second"]["plain inference"]
    rows = [(name, f"{value:.3g}", f"{plain / value:.3g}") for name, value in found["per_second"].items()]
    head = (
        f"Measured on {found['date']} with {found['machine']}; {found['what']}. `pytest tests/benchmarks/"
        "test_surrogate_speed.py -s` prints the same anew."
    )
    return f"{head}\n\n{table(('what', 'images per second', 'times plain inference'), rows)}"


def _paper(stored: Stored, found: Sequence[Line]) -> str:
    """Tables 3 and 4 of the paper on ImageNet beside the first student's numbers."""
    scores = {row[0]: row[2:] for row in tables()["002.T4"]["rows"] if row[1] == "ImageNet"}
    speed = {row[0]: row[1:] for row in tables()["002.T3"]["rows"]}
    names = {"Ours": LEARNED, "RISE": "rise", "LIME": "lime", "Grad-CAM": "grad_cam"}
    rows = []
    for printed, name in names.items():
        theirs = [f"{scores[printed][place]:g}" for place in (0, 1)]
        size = f"{speed[printed][1]:g}" if printed in speed else "-"
        cells = [
            interval(measured(stored, found[0].ids, name, metric)) if found else "-"
            for metric in ("insertion_auc", "deletion_auc", "mean_l1")
        ]
        rows.append([_title(name), theirs[0], cells[0], theirs[1], cells[1], size, cells[2]])
    head = ("map", "insertion, paper", "here", "deletion, paper", "here", "mean intensity, paper", "here")
    return (
        "The paper: ResNet-50 on ImageNet, ℓ1 weight .5 in its scale (Tables 3 and 4). Here: scenes of 64x64 pixels, "
        "ℓ1 weight .5, which is 4 in the paper's scale and so nearer to its other weight, 5. Scores depend on the "
        "network, the images and the blur, so compare the order of the maps and nothing else. The paper has no random "
        f"map and no centre Gaussian. {OFFSET}\n\n{table(head, rows)}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
