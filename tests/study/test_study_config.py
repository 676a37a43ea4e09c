"""A configuration is one value: hashed, checked, refused in words."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.study.made_study import GIVEN, make_config
from xkd_core.errors import BadInputError, UnknownNameError
from xkd_core.study.config import config_from_json
from xkd_core.study.presets import PRESETS, preset
from xkd_core.study.simulation import Design, Truth, power

BASE = {name: GIVEN[name] for name in ("name", "dataset", "teacher", "pairs", "contact")}


def test_a_configuration_survives_its_json_and_the_hash_is_that_of_its_text():
    config = make_config()
    again = config_from_json(config.to_json())
    assert again == config
    assert config.sha256 == again.sha256 == hashlib.sha256(config.to_json().encode()).hexdigest()
    assert json.loads(config.to_json())["selection"]["n_images"] == 12


def test_any_change_changes_the_hash():
    config = make_config()
    changes = ({"seed": 1}, {"trials": 5}, {"question": "odd_one_out"}, {"consent_md": "x" * 50}, {"explainer": "cam"})
    assert len({make_config(**change).sha256 for change in changes} | {config.sha256}) == len(changes) + 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trials": 13}, "13 trials need as many items, but 12 images x 1 pairs are 12"),
        ({"repeats": 7}, "only 6 trials can be repeated; got 7"),
        ({"redirect_url": "http://example.org", "completion_code": None}, "redirect_url: .*https:// address"),
        ({"redirect_url": "https://example.org/?cc=1"}, "completion_code or a redirect_url, not both"),
        ({"redirect_url": "https://a.org/<script>", "completion_code": None}, "without spaces or quotes"),
        ({"pairs": [{"naive": "teacher-run", "matched": "matched-run"}]}, "must be three runs"),
        ({"pairs": []}, "pairs: .*at least 1 item"),
        ({"question": "which"}, "question: .*'which'"),
        ({"teacher": "../../etc/passwd"}, "teacher: .*passwd"),
        ({"name": "Not A Slug"}, "name: .*'Not A Slug'"),
        ({"platform": ["PROLIFIC PID"]}, "platform.0"),
        ({"consent_md": "too short"}, "consent_md"),
        ({"colour": "red"}, "colour: Extra inputs"),
        ({"selection": {"strata": ["class", "class"]}}, "each stratum once"),
    ],
)
def test_a_bad_configuration_is_refused_in_words(changes, words):
    with pytest.raises(BadInputError, match=words):
        make_config(**changes)


def test_text_that_is_not_json_is_refused():
    with pytest.raises(BadInputError, match="must be JSON"):
        config_from_json("{")


def test_the_paper_preset_is_what_paper_003_says():
    config = preset("paper-003", BASE)
    assert (config.participants, config.selection.n_images, config.selection.only) == (30, 30, "all_right")
    assert (config.explainer, config.question) == ("occlusion", "most_similar_pair")
    assert config.practice + config.catches + config.repeats == 0


def test_the_recommended_preset_has_controls_and_rules():
    config = preset("recommended", BASE)
    assert config.catches >= 2 and config.repeats >= 2 and config.practice >= 3
    assert config.exclusions.failed_catches == 2
    assert "study@example.org" in config.consent_md and f"{3 + round(51 / 6)} minutes" in config.consent_md


def test_given_fields_win_over_a_preset_and_parts_are_merged():
    config = preset("recommended", BASE | {"trials": 10, "selection": {"seed": 3}})
    assert (config.trials, config.selection.seed, config.selection.n_images) == (10, 3, 160)


def test_an_unknown_preset_names_the_known():
    with pytest.raises(UnknownNameError, match="paper-003"):
        preset("paper-03", BASE)
    assert set(PRESETS) == {"paper-003", "recommended"}


def test_strata_that_the_data_set_lacks_are_left_out_of_a_preset_but_not_of_what_was_asked():
    two = ("class", "correctness")
    assert preset("recommended", BASE).selection.strata == (*two, "habitat")
    assert preset("recommended", BASE, strata=two).selection.strata == two
    asked = BASE | {"selection": {"strata": ["habitat"]}}
    assert preset("recommended", asked, strata=two).selection.strata == ("habitat",)


def test_the_recommended_preset_has_the_power_that_its_note_says():
    config = preset("recommended", BASE)
    design = Design(participants=config.participants, trials=config.trials, items=config.n_items)
    assert "40 %" in PRESETS["recommended"].note and "80 %" in PRESETS["recommended"].note
    assert power(design, Truth(matched=0.4, naive=0.3), studies=400).rejected.share > 0.8
