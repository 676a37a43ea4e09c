"""The slimmable students beside students of one width: ``python -m docs.make_slimmable`` writes docs/slimmable.md.

Nothing is trained or measured: cards and stored rows are read. The verdict is made of the numbers below it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean

from docs.lines import bracketed, flops, images_seen, measured, of_how_many
from docs.text import interval, page, table
from xkd_core.claims.measuring import Measured, MissingRowsError, between, measure
from xkd_core.claims.stored import Runs, Stored, read_stored
from xkd_core.evaluation.summary import fraction, over_seeds
from xkd_core.metrics.statistics import Estimate
from xkd_core.models.cards import Card
from xkd_core.models.checkpoints import WEIGHTS, run_folder
from xkd_core.models.slimmable import STOPS

HERE = Path(__file__).parent
DATASET = "scenes"
METHODS = {"naive": "naive", "SWA": "swa"}
SANDWICH = 4  # the narrowest, the widest and two between, at each step
FORWARD_AND_BACKWARD = 3  # in FLOPs of a forward pass
TINY = 0.01
MAPS = {"CAM": "cam", "GradientSHAP": "gradient_shap", "occlusion": "occlusion", "KernelSHAP": "kernel_shap"}
HEAD = f"""# Slimmable students beside students of one width

Written by `python -m docs.make_slimmable` from the cards and stored rows of `checkpoints/{DATASET}`. A slimmable
student is one set of weights for seven widths (1/8 to 1/2 of the teacher's channels, batch norms of their own); each
width is a run `ID@width`. Beside it stand students that were trained at one width, with the same data, recipe and
seeds. λ = .5, β = 2. Differences are slimmable minus separate, paired over the same images and the seeds that both
have, if there are two, else of all seeds of each side, with 95 % intervals over
images, and over seeds where both have several. A difference of one seed that is no
larger than what another seed is known to make is said to be so.
"""
NONE = f"""No slimmable run is here yet: `python -m xkd_core sweep run checkpoints/{DATASET}/sweep.yaml`, then
`python -m xkd_core sweep collect checkpoints/{DATASET}/sweep.yaml`."""
MAP_NOTE = """Drift is 1 - cosine to the teacher's map. † the map was in the loss (SWA's CAM); the others were not."""
COST_NOTE = f"""An image-forward is one image through the student at one width: a slimmable step takes {SANDWICH} (the
narrowest width, the widest, two drawn between). Training FLOPs are {FORWARD_AND_BACKWARD} times those of the forwards;
the teacher's answers are cached for all alike. Seconds are the cards' clock, on a machine that other work shared."""
CURVE_NOTE = """Validation images, after the epoch at which the training FLOPs are equal: seven separate students that
share one slimmable run's FLOPs, and a slimmable run with the FLOPs of the separate students above. A run that is read
before its last epoch has not annealed its learning rate, so each such number is a lower bound of what so much compute
gives."""


def main() -> None:
    """Write docs/slimmable.md."""
    (HERE / "slimmable.md").write_text(text())


def text(dataset: str = DATASET) -> str:
    """The text of the document."""
    stored = read_stored(dataset)
    if not any(_ids(stored, method, stop, slim=True) for method in METHODS for stop in STOPS):
        return page([HEAD, NONE])
    return page([
        HEAD, "## Verdict", *_verdicts(stored), "## Answers", _answers(stored),
        "## Maps", MAP_NOTE, _maps(stored), "## Training compute", COST_NOTE, _costs(stored),
        "## At equal training FLOPs", CURVE_NOTE, _curves(stored),
    ])  # fmt: skip


def runs_of(method: str, stop: float, *, slim: bool) -> Runs:
    """A slimmable student at one stop, or the students of that width."""
    family = METHODS[method]
    word = "slimmable" if slim else "separate"
    return Runs(family=f"slim-{family}" if slim else family, label=f"{word} {method} {fraction(stop)}", width=stop)


def _ids(stored: Stored, method: str, stop: float, *, slim: bool) -> tuple[str, ...]:
    return tuple(stored.ids(runs_of(method, stop, slim=slim)).values())


def _cards(stored: Stored, method: str, stop: float, *, slim: bool) -> list[Card]:
    return [stored.zoo.by_id[run_id] for run_id in _ids(stored, method, stop, slim=slim)]


def _pairs(stored: Stored) -> Iterator[tuple[str, list[Card], dict[float, list[Card]]]]:
    """Method, its slimmable runs and the separate ones by width, of the methods that have both."""
    for method in METHODS:
        slim = _cards(stored, method, STOPS[-1], slim=True)
        alone = {stop: found for stop in STOPS if (found := _cards(stored, method, stop, slim=False))}
        if slim and alone:
            yield method, slim, alone


def gap(stored: Stored, method: str, stop: float, explainer: str, metric: str) -> Measured | None:
    """Slimmable minus separate at one width; None where one of them is not there or not measured."""
    first, second = (runs_of(method, stop, slim=slim) for slim in (True, False))
    try:
        return measure(stored, between(first.label, first, second, explainer, metric))
    except MissingRowsError:
        return None


def _each(stored: Stored) -> Iterator[tuple[str, float]]:
    """Methods and stops of which a slimmable run is there."""
    for method in METHODS:
        yield from ((method, stop) for stop in STOPS if _ids(stored, method, stop, slim=True))


def _answers(stored: Stored) -> str:
    names = ("mAP", "mAP/out", "agreement")
    rows = []
    for method, stop in _each(stored):
        both = [_cards(stored, method, stop, slim=slim) for slim in (True, False)]
        cells = [_metric(cards, name) for name in names for cards in both]
        found = gap(stored, method, stop, "answers", "right")
        card = both[0][0]
        rows.append([method, fraction(stop), f"{card.params:,}", f"{card.ratio:.3g}", _seeds(both), *cells,
                     _interval(found)])  # fmt: skip
    words = [f"{name.replace('/out', ' out of habitat')} %, {word}" for name in names for word in ("slim", "sep.")]
    return table(("method", "width", "parameters", "ratio", "seeds", *words, "right answers: difference"), rows)


def _interval(found: Measured | None) -> str:
    return interval(None if found is None else found.estimate)


def _seeds(both: Sequence[Sequence[Card]]) -> str:
    return " / ".join(str(len(cards)) for cards in both)


def _metric(cards: Sequence[Card], name: str) -> str:
    values = [card.metrics[name].value for card in cards if name in card.metrics]
    return over_seeds([None if value is None else 100 * value for value in values], ".2f")


def _maps(stored: Stored) -> str:
    rows = []
    for method, stop in _each(stored):
        for title, explainer in MAPS.items():
            trained = "†" if method == "SWA" and explainer == "cam" else ""
            slim, alone = (_cosine(stored, method, stop, explainer, slim=slim) for slim in (True, False))
            ids = [_ids(stored, method, stop, slim=slim) for slim in (True, False)]
            some = [bracketed(of_how_many(stored, own, explainer, "cosine")) for own in ids]
            found = gap(stored, method, stop, explainer, "cosine")
            drift = "-" if slim is None else f"{1 - slim.mean:.3f}"
            rows.append([method, fraction(stop), f"{title}{trained}", interval(slim) + some[0], drift,
                         interval(alone) + some[1], _interval(found)])  # fmt: skip
    head = ("method", "width", "map", "slim: cosine", "slim: drift", "separate: cosine", "difference")
    return table(head, rows)


def _cosine(stored: Stored, method: str, stop: float, explainer: str, *, slim: bool) -> Estimate | None:
    return measured(stored, _ids(stored, method, stop, slim=slim), explainer, "cosine")


def forward_flops(card: Card) -> float:
    """FLOPs of the forwards that one image costs in a training step, of a slimmable run on average."""
    if not card.recipe.get("slimmable"):
        return float(flops(card))
    each = [float(flops(card.model_copy(update={"width": stop, "id": f"{card.id}@{stop:g}"}))) for stop in STOPS]
    return each[0] + each[-1] + (SANDWICH - 2) * mean(each[1:-1])


def training_flops(card: Card) -> float:
    """FLOPs of the whole training."""
    return FORWARD_AND_BACKWARD * forward_flops(card) * (images_seen(card) or 0)


def _costs(stored: Stored) -> str:
    rows = []
    for method, slim, alone in _pairs(stored):
        rows.append(_cost_row(method, "slimmable, seven widths", slim, SANDWICH, _bytes(slim[0])))
        rows += [_cost_row(method, f"separate, {fraction(stop)}", cards, 1, _bytes(cards[0]))
                 for stop, cards in alone.items()]  # fmt: skip
        rows.append(_sum_row(method, list(alone.values())))
    head = ("method", "what", "runs", "image-forwards, million", "training FLOPs, 1e12", "train s", "file, kB")
    return table(head, rows)


def _cost_row(method: str, what: str, cards: Sequence[Card], forwards: int, size: str) -> list[str]:
    million = forwards * (images_seen(cards[0]) or 0) / 1e6
    seconds = over_seeds([card.train_seconds for card in cards], ".0f")
    return [method, what, str(len(cards)), f"{million:.2f}", f"{training_flops(cards[0]) / 1e12:.3g}", seconds, size]


def _sum_row(method: str, groups: Sequence[Sequence[Card]]) -> list[str]:
    """One run of each separate width together."""
    million = sum(images_seen(cards[0]) or 0 for cards in groups) / 1e6
    work = sum(training_flops(cards[0]) for cards in groups) / 1e12
    seconds = sum(mean(card.train_seconds or 0.0 for card in cards) for cards in groups)
    sizes = [_bytes(cards[0]) for cards in groups]
    size = "-" if "-" in sizes else str(sum(map(int, sizes)))
    return [method, f"separate, all {len(groups)}", str(len(groups)), f"{million:.2f}", f"{work:.3g}", f"{seconds:.0f}",
            size]  # fmt: skip


def _bytes(card: Card) -> str:
    """Size of the weights on the disk; '-' where only the card is here."""
    path = run_folder(card.dataset, card.id.partition("@")[0]) / WEIGHTS
    return str(round(path.stat().st_size / 1000)) if path.exists() else "-"


def equal_epochs(slim: Card, alone: Mapping[float, Card]) -> tuple[float, float]:
    """Epochs of seven separate students for one slimmable run's FLOPs, and of it for those of ``alone`` together.

    ``alone``: a separate student's card for some of the widths.
    """
    one = next(iter(alone.values()))
    widths = [one.model_copy(update={"width": stop, "id": f"{one.id}@{stop:g}"}) for stop in STOPS]
    epochs = int(slim.recipe["epochs"])
    step = forward_flops(slim)
    seven, some = (sum(forward_flops(card) for card in cards) for cards in (widths, alone.values()))
    return epochs * step / seven, epochs * some / step


def _curves(stored: Stored) -> str:
    rows = []
    for method, slim, alone in _pairs(stored):
        first, second = equal_epochs(slim[0], {stop: cards[0] for stop, cards in alone.items()})
        for stop in (STOPS[0], STOPS[-1]):
            found = {"slimmable, all epochs": (slim, f"@{stop:g}", None), f"slimmable, {second:.1f} epochs":
                     (slim, f"@{stop:g}", second), "separate, all epochs": (alone.get(stop, []), "", None),
                     f"separate, {first:.1f} epochs": (alone.get(stop, []), "", first)}  # fmt: skip
            rows += [[method, fraction(stop), what, *_at_epoch(*one)] for what, one in found.items()]
    return table(("method", "width", "what", "mAP %", "agreement %", "CAM cosine"), rows)


def _at_epoch(cards: Sequence[Card], ending: str, epochs: float | None) -> list[str]:
    """The last whole epoch at or before ``epochs``; None: the last of all."""
    last = {card.id: len(card.curve) if epochs is None else min(len(card.curve), int(epochs)) for card in cards}
    rows = [card.curve[last[card.id] - 1] for card in cards if last[card.id]]
    if not rows:
        return ["-"] * 3
    shown = {"quality": (100, ".2f"), "agreement": (100, ".2f"), "cosine/cam": (1, ".3f")}
    return [over_seeds([scale * row[f"{name}{ending}"] for row in rows if f"{name}{ending}" in row], form)
            for name, (scale, form) in shown.items()]  # fmt: skip


def _verdicts(stored: Stored) -> Iterator[str]:
    found = {method: _verdict(stored, method, slim, alone) for method, slim, alone in _pairs(stored)}
    for method in METHODS:
        yield found.get(method, f"**{method}.** Not both of slimmable and separate students are here yet.")


def _verdict(stored: Stored, method: str, slim: Sequence[Card], alone: Mapping[float, Sequence[Card]]) -> str:
    """Sentences from the intervals: below, above or not told apart, at each width that both have, and the cost."""
    asked = {"CAM cosine": ("cam", "cosine"), "right answers": ("answers", "right")}
    asked |= {f"{name} cosine": (name, "cosine") for name in MAPS.values() if name != "cam"}
    words = [f"{title}: {_compared(stored, method, list(alone), *one)}" for title, one in asked.items()]
    one = {stop: cards[0] for stop, cards in alone.items()}
    shared, _ = equal_epochs(slim[0], one)
    share = training_flops(slim[0]) / sum(training_flops(card) for card in one.values())
    epochs = int(slim[0].recipe["epochs"])
    return (
        f"**{method}** ({len(slim)} slimmable seeds). Slimmable beside separate, {'; '.join(words)}. One slimmable run "
        f"costs {share:.2f} times the training FLOPs of the {len(one)} separate students together and "
        f"{shared / epochs:.2f} times those of seven; its image-forwards are those of {SANDWICH} separate runs."
    )  # fmt: skip


def _compared(stored: Stored, method: str, stops: Sequence[float], explainer: str, metric: str) -> str:
    words = []
    for stop in stops:
        found = gap(stored, method, stop, explainer, metric)
        if found is not None:
            words.append(f"{_word(found)} at {fraction(stop)} ({found.estimate.mean:+.3f})")
    return ", ".join(words) or "not measured"


def _word(found: Measured) -> str:
    """'lower', 'higher', 'no further than another seed', 'not told apart', by less than .01 'about equal'."""
    one = found.estimate
    if not one.side:
        return "about equal" if max(-one.low, one.high) < TINY else "not told apart"
    if found.floor.covers(one.mean):
        return "no further than another seed"
    return "higher" if one.side > 0 else "lower"


if __name__ == "__main__":
    main()
