"""What is said of a run beside its name is what its card holds."""

from __future__ import annotations

from tests.claims.made_rows import _card
from xkd_core.serving.details import learned_from, table


def card(**values: object):
    usual = {"id": "scenes-one", "role": "other", "method": "xd", "seed": 0, "lam": 0.5, "recipe": {}, "params": 1234}
    return _card("scenes", **{**usual, **values})


def test_whose_maps_a_run_learned_from_is_said():
    assert learned_from(card()) == "the teacher's GradientSHAP maps, as its autoencoder draws them"
    assert "Grad-CAM maps" in learned_from(card(recipe={"explained": "grad_cam"}))
    assert learned_from(card(recipe={"explained": "none"})) == "maps of nobody"
    assert learned_from(card(method="swa", beta=2.0)) == "the teacher's activation maps"
    assert learned_from(card(method="swa", beta=2.0, recipe={"shuffled": True})) == "the teacher's maps of other images"
    assert learned_from(card(method="swa", beta=0.0)) == learned_from(card(method="kd")) == ""


def test_facts_of_several_runs_stand_side_by_side():
    first = card(
        id="scenes-a", nonzeros=1000, flops=2_500_000, extras={"params/without_cae": 92444.0, "mae/cae": 0.12345}
    )
    second = card(id="scenes-b", note="Control.", differs=("epochs: 1 (paper: 350)", "lr: 1 (paper: 2)"))
    found = table([first, second]).set_index("")
    one, two = found.columns
    assert (one, two) == ("XDistillation student 1", "XDistillation student 2")
    assert list(found.loc["parameters"]) == ["1,234", "1,234"]
    assert list(found.loc["non-zero weights"]) == ["1,000", ""]
    assert found.loc["FLOPs for an image", one] == "2.5 M"
    assert found.loc["parameters without the autoencoder", one] == "92,444"
    assert found.loc["error of the autoencoder's maps (mean absolute)", one] == "0.1235"
    assert list(found.loc["note"]) == ["", "Control."]
    assert found.loc["not as in the paper", two] == "epochs: 1 (paper: 350); lr: 1 (paper: 2)"
