"""ROAR's stored networks as lines over the share of the pixels that was removed, with the random ranking beside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xkd_core import catalogue
from xkd_core.metrics.statistics import Estimate

RANDOM, NOTHING = "random_map", "nothing"
QUALITY = ("mAP", "accuracy")


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Networks that were trained without what one ranking puts first, one for each share of the pixels.

    run: whose map ranks; "" for a ranking that looks at no network. values: share removed -> quality on what is left
    of the test images.
    """

    words: str
    explainer: str
    run: str
    seed: int
    values: Mapping[float, Estimate]

    @property
    def control(self) -> bool:
        """Whether the ranking looks at no network."""
        return not self.run


@dataclass(frozen=True, kw_only=True)
class Retrained:
    """Rankings with networks of one recipe. whole: of the networks that saw all pixels, by seed."""

    metric: str
    network: str
    rankings: tuple[Ranking, ...]
    whole: Mapping[int, Estimate]


def retrained(rows: pd.DataFrame, words: Mapping[str, str]) -> Retrained | None:
    """The recipe with the most networks, of which the rows hold ``mAP`` or accuracy; None where there is none.

    Args: rows, as of `read_roar`; words, run id -> what it is called beside its map.
    """
    known = rows[rows["metric"].isin(QUALITY)] if len(rows) else rows
    if known.empty:
        return None
    recipes = known["recipe"].map(_without_seed)
    recipe = recipes.value_counts().index[0]
    own = known[recipes == recipe]
    groups = own[own["explainer"] != NOTHING].groupby(["explainer", "run_id", "seed"], sort=False)
    rankings = [_ranking(name, run, int(seed), part, words) for (name, run, seed), part in groups]
    whole = own[own["explainer"] == NOTHING]
    return Retrained(
        metric=str(own["metric"].iloc[0]),
        network=_network(json.loads(recipe)),
        rankings=tuple(sorted(rankings, key=lambda one: one.control)),
        whole={int(row["seed"]): _estimate(row) for _, row in whole.iterrows()},
    )


def sentence(found: Retrained) -> str:
    """What is lost without the pixels that each map ranks first, at the middle share, beside random pixels."""
    chance = [one for one in found.rankings if one.explainer == RANDOM]
    rates = sorted({rate for one in chance for rate in one.values})
    if not rates:
        return ""
    rate = rates[len(rates) // 2]
    random = np.mean([one.values[rate].mean for one in chance if rate in one.values])
    others = [f", {one.values[rate].mean:.2f} where {one.words} chose them" for one in found.rankings
              if one.explainer != RANDOM and rate in one.values]  # fmt: skip
    return (f"Trained without {100 * rate:g} % of the pixels, a fresh network's {found.metric} is {random:.2f} where "
            f"they were random{''.join(others)}.")  # fmt: skip


def table(found: Retrained) -> pd.DataFrame:
    """One row for each network."""
    whole = [("all pixels", "", 0.0, seed, value) for seed, value in found.whole.items()]
    others = [(one.words, one.run, rate, one.seed, value) for one in found.rankings
              for rate, value in sorted(one.values.items())]  # fmt: skip
    return pd.DataFrame([
        {"ranking": words, "run": run, "removed": rate, "seed": seed, found.metric: value.mean, "low": value.low,
         "high": value.high, "images": value.n}
        for words, run, rate, seed, value in [*whole, *others]
    ])  # fmt: skip


def _ranking(name: str, run: str, seed: int, rows: pd.DataFrame, words: Mapping[str, str]) -> Ranking:
    entry = catalogue.EXPLAINERS[name]
    said = entry.title if entry.model_free else f"{entry.title} of the {words.get(run, run)}"
    values = {float(row["rate"]): _estimate(row) for _, row in rows.iterrows()}
    return Ranking(words=said, explainer=name, run="" if entry.model_free else run, seed=seed, values=values)


def _estimate(row: pd.Series) -> Estimate:
    value, low, high = (float(row[name]) for name in ("value", "low", "high"))
    return Estimate(mean=value, low=low, high=high, n=int(row["n"]), undefined=int(row["undefined"]))


def _without_seed(recipe: str) -> str:
    return json.dumps({name: value for name, value in json.loads(recipe).items() if name != "seed"}, sort_keys=True)


def _network(recipe: Mapping[str, object]) -> str:
    """'vgg_gap_64 of 1/4 width, 16 epochs on 6,000 images'."""
    limit = recipe.get("limit")
    images = f"{limit:,} images" if isinstance(limit, int) else "all training images"
    return f"{recipe['arch']}, width {recipe['width']:g}, {recipe['epochs']} epochs on {images}"
