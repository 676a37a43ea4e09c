"""Every trained run by method and size, beside the papers: ``python -m docs.make_methods`` writes docs/methods_*.md.

Nothing is trained or measured: cards and stored rows are read, and what is planned but not there is listed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from docs.beside import EXPLAINED, block, wanting
from docs.lines import (
    AN_INPUT,
    IN_THE_LOSS,
    SECTIONS,
    Line,
    bracketed,
    flops,
    images_per_second,
    lines,
    mark,
    mean_of,
    measured,
    of_how_many,
)
from docs.papers import comparisons
from docs.text import interval, page, scaled, table
from docs.training import by_fr_weight, hours
from xkd_core.claims.stored import Stored, read_stored
from xkd_core.evaluation.summary import fraction, over_seeds
from xkd_core.results.metric_store import ANSWERS
from xkd_core.serving.names import times
from xkd_core.sweep.planned import Gap, planned

HERE = Path(__file__).parent
DATASETS = ("scenes", "cifar10", "mnist", "tiny-imagenet-50")
TITLES = {
    "teachers": "Teachers", "methods": "Methods at λ = .5 and the usual β", "controls": "Controls", "λ": "Other λ",
    "variants": "Other β, and the sweep of F_R",
}  # fmt: skip
HEAD = """# Methods on {dataset}: size, answers, maps, cost

Written by `python -m docs.make_methods` from the cards and stored rows of `checkpoints/{dataset}`. {more}

- A line stands for the runs that differ in the seed only; a value is their mean, with the smallest and the largest,
  accuracy and agreement with their interval. λ weighs the teacher's answers, β what is matched; "naive" is KD alone,
  "hard labels" KD at λ = 0.
- Non-zeros count learnable values that are not 0; of an 8-bit run they, and the ratio's bits, are counted in its file.
  FLOPs are the teacher's over the run's, of a dense forward pass: zeros save none by themselves. "not flat" counts
  runs whose validation curve (of a round of pruning that of all rounds so far) moved by more than .01 over the last
  three epochs, or is too short to tell.
- Seconds are the clock's, from the card, with the validation after each epoch and without what is prepared before
  (the teacher's answers, XDistillation's autoencoder). {clock}
- Maps are of the class that the teacher names first, compared with the teacher's. {loss} the map was in the loss;
  {given} the student was given an approximation of it; without a mark it is independent of the training. Intervals are
  95 % over images, and over seeds where there are several (of few seeds Student's with Satterthwaite's degrees of
  freedom, where that is wider than the bootstrap). "shuffled" is the same comparison with the teacher's map of
  another image: what any two maps have in common. The second teacher is the noise floor, a centre Gaussian and random
  values are *Maps that know nothing*. CAM's distance grows with the number of cells: compare it within one network.
  CAM (where a network has none, Grad-CAM in its place) is measured on as many test images as rows are stored of, the
  other explainers on 200; every cell is of the images that all its runs have a value for, so that rows with many
  undefined values are of other images than the rest. "(3 of 5)": so many of the runs were measured so. "-": none was,
  or it is not defined.
- Methods: KD, distillation from the teacher's answers. EWA, SWA, SSWA: matching of the teacher's class activation map
  with equal weights, with the class's weights, with some channels left out at random. AT, NST, AB: attention transfer,
  neuron selectivity transfer, activation boundaries. XD: XDistillation, a student that is given an autoencoder's
  drawing of the teacher's explanation; F_R, the weight of the squared weights of the layer that joins the two. "few":
  trained on 3,000 images; "plain": on images without the planted shortcut; "sized": with as many parameters as XD has
  without its autoencoder. "out of habitat": on test images whose background does not give the class away.
- All students have one teacher, so nothing here says what another teacher would change.
"""
MORE = {
    "scenes": "Localisation and paired differences: [results_scenes.md](results_scenes.md).",
    "cifar10": "Paired differences: [results_cifar10.md](results_cifar10.md).",
}
CLOCK = "Runs shared a machine with others, so compare orders of magnitude only."
SIZES = ("method", "made small by", "seeds", "parameters", "non-zeros", "ratio", "FLOPs ratio")
OF_ANSWERS = {"accuracy": "right", "agreement": "same_answer"}
COSTS = ("agreement %", "not flat", "train s", "images/s")
SHUFFLED = "cosine_shuffled"
MAPS = {
    "CAM cosine": ("cam", "cosine"), "CAM shuffled": ("cam", SHUFFLED), "CAM distance, 1e-4": ("cam", "distance"),
    "EWA map cosine": ("ewa", "cosine"), "GradientSHAP cosine": ("gradient_shap", "cosine"),
    "occlusion cosine": ("occlusion", "cosine"), "KernelSHAP cosine": ("kernel_shap", "cosine"),
}  # fmt: skip
EXTRAS = {
    "without autoencoder": ("params/without_cae", ",.0f"), "its error": ("mae/cae", ".4f"),
    "error of the mean map": ("mae/mean_map", ".4f"), "error of the median map": ("mae/median_map", ".4f"),
    "images": ("mae/n", ".0f"),
}  # fmt: skip
UNLIKE = """Students with the same target and seed whose autoencoder's error differs were trained on different machines:
the recipes of their autoencoders are the same. A step in F_R between two of them is not F_R's alone."""
CAE = """Mean absolute error on held-out images between what the frozen autoencoder draws and the explanation that it
was trained on, beside those of the mean and the median explanation, which know nothing of the image. The median is the
best of these in absolute error: an autoencoder above it has learned nothing about the single image."""
KNOW_NOTHING = {"one Gaussian in the centre": "control:centre", "random values": "control:random"}
RATIOS = {"parameters": "", "nonzeros": " (non-zeros)", "bits": " (bits)"}


def main(datasets: Sequence[str] = ()) -> None:
    """Write the documents of the data sets, of all by default."""
    for dataset in datasets or DATASETS:
        (HERE / f"methods_{dataset}.md").write_text(text(dataset))


def text(dataset: str) -> str:
    """The text of one document."""
    stored = read_stored(dataset)
    return page([
        HEAD.format(dataset=dataset, more=MORE.get(dataset, ""), clock=CLOCK, loss=IN_THE_LOSS, given=AN_INPUT),
        *_sections(stored), *_papers(dataset, stored), *_missing(dataset),
    ])  # fmt: skip


def _sections(stored: Stored) -> Iterator[str]:
    found = lines(stored)
    if not found:
        yield "No run of this data set is here yet."
    for section in SECTIONS:
        own = [line for line in found if line.section == section]
        if own:
            yield f"## {TITLES[section]}"
            yield _sizes(stored, own)
            yield _maps(stored, own)
    yield _know_nothing(stored)
    yield _autoencoders(found)
    yield by_fr_weight(found)
    yield hours(stored.zoo.cards)


def _know_nothing(stored: Stored) -> str:
    """The same comparisons of maps that no network drew."""
    rows = []
    for title, run_id in KNOW_NOTHING.items():
        cells = [interval(measured(stored, [run_id], *one), 1 if one[1] == "distance" else 3) for one in MAPS.values()]
        rows += [[title, *cells]] if set(cells) != {"-"} else []
    return f"## Maps that know nothing\n\n{table(('map', *MAPS), rows)}" if rows else ""


def _sizes(stored: Stored, own: Sequence[Line]) -> str:
    names = [name for name in ("accuracy", "mAP", "mAP/out") if any(line.metric(name) for line in own)]
    head = (*SIZES, *(f"{name.replace('/out', ' out of habitat')} %" for name in names), *COSTS)
    return table(head, [_size_row(stored, line, names) for line in own])


def _size_row(stored: Stored, line: Line, names: Sequence[str]) -> list[str]:
    card, teacher = line.first, stored.zoo.teacher
    ratio = f"{times(card.ratio)}{RATIOS[card.ratio_of]}"
    work = "-" if teacher is None else f"{flops(teacher) / flops(card):.3g}"
    quality = [_percent(stored, line, name) for name in (*names, "agreement")]
    nonzeros = f"{card.nonzeros or card.params:,}"
    trained = images_per_second(card) is not None
    seconds = over_seeds([one.train_seconds for one in line.cards], ".0f") if trained else "-"
    speed = over_seeds([images_per_second(one) for one in line.cards], ".0f")
    return [line.name, line.size, str(len(line.cards)), f"{card.params:,}", nonzeros, ratio, work, *quality,
            str(sum(one.undertrained for one in line.cards)), seconds, speed]  # fmt: skip


def _percent(stored: Stored, line: Line, name: str) -> str:
    """With its interval where each image has an answer of its own; mAP is of all images at once."""
    found = measured(stored, line.ids, ANSWERS, OF_ANSWERS[name]) if name in OF_ANSWERS and line.metric(name) else None
    if found is not None:
        return interval(scaled(found, 100), 2)
    return over_seeds([None if value is None else 100 * value for value in line.metric(name)], ".2f")


def _maps(stored: Stored, own: Sequence[Line]) -> str:
    rows = [_map_row(stored, line) for line in own if line.name != "teacher"]
    known = [row for row in rows if set(row[2:]) != {"-"}]
    return table(("method", "made small by", *MAPS), known) if known else ""


def _map_row(stored: Stored, line: Line) -> list[str]:
    return [line.name, line.size, *(_map_cell(stored, line, *one) for one in MAPS.values())]


def _map_cell(stored: Stored, line: Line, explainer: str, metric: str) -> str:
    """The mean with its interval and whether it was trained; of the control the mean alone."""
    some = bracketed(of_how_many(stored, line.ids, explainer, metric))
    if metric == SHUFFLED:
        value = mean_of(stored, line.ids, explainer, metric)
        return "-" if value is None else f"{value:.3f}{some}"
    found = measured(stored, line.ids, explainer, metric)
    return interval(found, 1 if metric == "distance" else 3, mark=mark(line.first, explainer)) + some


def _autoencoders(found: Sequence[Line]) -> str:
    """Of XDistillation students: parameters with and without the autoencoder, and how well it draws."""
    own = [line for line in found if line.first.method == "xd"]
    if not own:
        return ""
    rows = []
    for line in own:
        extras = [_extra(line, *one) for one in EXTRAS.values()]
        rows.append([line.name, line.size, f"{line.first.params:,}", *extras])
    body = table(("method", "size", "parameters", *EXTRAS), rows)
    return "\n\n".join(["## XDistillation: the autoencoder", CAE, body, *([UNLIKE] if _unlike(found) else [])])


def _unlike(found: Sequence[Line]) -> bool:
    """Whether students of one seed and one kind of target have autoencoders that draw differently well."""
    errors: dict[tuple[object, ...], set[float]] = {}
    for card in (card for line in found for card in line.cards if "mae/cae" in card.extras):
        target = (card.seed, card.width, card.recipe.get("explained", "gradient_shap"))
        errors.setdefault(target, set()).add(round(card.extras["mae/cae"], 4))
    return any(len(own) > 1 for own in errors.values())


def _extra(line: Line, name: str, form: str) -> str:
    return over_seeds([card.extras.get(name) for card in line.cards], form)


def _papers(dataset: str, stored: Stored) -> Iterator[str]:
    found = comparisons(dataset)
    if found:
        yield f"## Beside the papers\n\n{EXPLAINED} {_images(stored)}"
    for one in found:
        yield block(one, stored)
        if one.make and wanting(one, stored):
            yield f"What is not measured yet is measured by\n\n```bash\n{one.make}\n```"


def _images(stored: Stored) -> str:
    """Of how many test images the rows are."""
    maps, answers = (rows["index"].nunique() if len(rows) else 0
                     for rows in (stored.results.maps, stored.results.answers))  # fmt: skip
    return f"Values of class maps are of {maps:,} stratified test images, answers of all {answers:,}." if maps else ""


def _missing(dataset: str) -> Iterator[str]:
    """What the sweep files plan and is not there."""
    found = planned(dataset)
    yield f"## Planned and not trained\n\n{found.missing} of {found.total} runs. {found.problem}"
    head = ("method", "network", "made small by", "widths", "λ", "seeds", "runs", "file")
    if found.gaps:
        yield table(head, [_gap_row(gap) for gap in found.gaps])


def _gap_row(gap: Gap) -> tuple[str, ...]:
    method = "as the run it is made from" if gap.compress == "int8" else gap.method
    widths = ", ".join(fraction(width) if width < 1 else "1" for width in gap.widths)
    return (method, gap.arch, gap.compress or "width", widths, ", ".join(f"{lam:g}" for lam in gap.lams),
            ", ".join(map(str, gap.seeds)), str(gap.n), gap.file)  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
