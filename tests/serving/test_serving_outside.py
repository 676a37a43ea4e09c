"""What the maps say that were in no loss: which are asked, with which seeds, and the words, from hand-made values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.made_zoo import make_zoo
from xkd_core.results.metric_store import add_rows, reasons_text
from xkd_core.results.metrics import read_metrics
from xkd_core.serving.outside_loss import outside, words
from xkd_core.serving.zoo import read_zoo

N = 40
SHIFTS = {"cam": 0.3, "grad_cam": 0.3, "occlusion": 0.1, "gradient_shap": -0.2, "saliency": 0.0, "random_map": 0.5}
"""What matched students have more of than naive ones, by explainer."""


def values(name: str, seed: int) -> np.ndarray:
    return np.random.default_rng([len(name), seed]).random(N) * 0.2 + 0.3


@pytest.fixture(scope="module")
def cards(tmp_path_factory):
    made = make_zoo(tmp_path_factory.mktemp("outside_zoo"))
    zoo = read_zoo("scenes", root=made.root)
    naive, matched = (next(card for card in zoo.students if card.method == method) for method in ("kd", "swa"))
    return {
        kind: [card.model_copy(update={"id": f"{kind}-{seed}", "seed": seed}) for seed in (0, 1)]
        for kind, card in (("naive", naive), ("matched", matched))
    }


@pytest.fixture(scope="module")
def metrics(cards, tmp_path_factory):
    root = tmp_path_factory.mktemp("outside_rows")
    for kind, own in cards.items():
        for card in own:
            for name, shift in SHIFTS.items():
                if (name, card.id) == ("saliency", "naive-1"):
                    continue  # not measured
                column = values(name, card.seed if kind == "naive" else card.seed + 7) + shift * (kind == "matched")
                rows = {
                    "explainer": name,
                    "index": range(N),
                    "target": 0,
                    "cosine": column,
                    "undefined": reasons_text({}),
                }
                add_rows("scenes", card.id, [pd.DataFrame(rows)], root=root)
    return read_metrics("scenes", root=root)


def test_only_maps_that_were_in_no_loss_are_asked_with_the_seeds_that_both_have(cards, metrics):
    answers = outside(metrics, cards["matched"], cards["naive"], "cosine")
    assert {one.question.explainer: one.seeds for one in answers} == {
        "occlusion": (0, 1), "gradient_shap": (0, 1), "saliency": ()
    }  # fmt: skip
    by_name = {one.question.explainer: one for one in answers}
    wanted = np.mean([values("occlusion", s + 7) - values("occlusion", s) for s in (0, 1)]) + 0.1
    assert by_name["occlusion"].estimate.mean == pytest.approx(wanted, abs=1e-3)
    assert all(one.estimate.n == N for one in answers)
    assert len({one.holm_p / one.test.wilcoxon_p for one in answers}) == 3  # corrected over the three


def test_of_two_naive_students_every_map_is_asked_and_of_no_rows_none(cards, metrics):
    asked = {one.question.explainer for one in outside(metrics, cards["naive"][:1], cards["naive"][1:], "cosine")}
    assert asked == {"cam", "occlusion", "gradient_shap"}  # Grad-CAM is CAM here: one question, not two
    assert outside(metrics, cards["matched"], cards["naive"], "pointing") == ()


def test_the_words_name_better_and_worse_with_their_numbers_and_the_rest_without(cards, metrics):
    said = words("cam", "SWA", outside(metrics, cards["matched"], cards["naive"], "cosine"))
    assert said.startswith("CAM was in the loss of SWA and cannot judge it alone. By the 3 maps that were in no loss, ")
    means = {name: np.mean([values(name, s + 7) - values(name, s) for s in (0, 1)]) + SHIFTS[name] for name in SHIFTS}
    assert f"SWA is better by Occlusion {means['occlusion']:+.3f}; worse by " in said
    assert f"; worse by GradientSHAP {means['gradient_shap']:+.3f}; not told apart by Saliency (Cosine to" in said
    assert "against naive, paired on 40 images" in said
    alone = words("cam", "SWA", outside(metrics, cards["matched"][:1], cards["naive"][:1], "cosine"))
    lone = "SWA is with one seed alone, of which nobody knows what another would change, better by Occlusion"
    assert lone in alone and "with one seed alone" not in said
    assert words("cam", "SWA", ()).endswith("No map that was in no loss is stored for it and for naive students.")
