"""Two ready studies: the one that paper 003 describes, and the one that we recommend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xkd_core.errors import unknown_name
from xkd_core.study.config import StudyConfig, config_from

CONSENT = """\
**What this is.** You will see small pictures with coloured areas and say which of them look alike. It takes about
{minutes} minutes. You need no special knowledge.

**What is kept.** Your answers, how long each took, the width of your window, your comment if you leave one, and the
code that your recruiting platform sends along, if any. No name, no IP address and no details of your browser are kept.

**Your choice.** Taking part is voluntary. You can stop at any time and press *withdraw*: everything you answered is
then deleted. Afterwards you can ask for deletion with the participant code that you get at the end.

**Who.** You are at least 18 years old. Questions and requests: {contact}.
"""
DEBRIEF = """\
Thank you. Each picture showed which parts of a photo a computer program used for its decision: a large program and two
smaller ones made from it. We want to know which of the smaller ones still *looks* like the large one to people.
"""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A named start for a configuration. note: what it is, and in what it departs from its source."""

    title: str
    note: str
    fields: Mapping[str, Any]


PRESETS: Mapping[str, Preset] = {
    "paper-003": Preset(
        title="Paper 003",
        note=(
            "30 people, 30 images that all three models answer right, occlusion heatmaps, 'which two are most alike'. "
            "The paper says neither how many images each person judged (here: all 30) nor how the maps were scaled "
            "(here: each by its own maximum). It had no practice, catch trials or repeats."
        ),
        fields={
            "selection": {"n_images": 30, "strata": (), "only": "all_right"},
            "trials": 30,
            "practice": 0,
            "catches": 0,
            "repeats": 0,
            "participants": 30,
            "exclusions": {"failed_catches": None, "fast_share": None, "slot_share": None},
        },
    ),
    "recommended": Preset(
        title="Recommended",
        note=(
            "40 people x 40 trials over 80 images, drawn evenly by class, correctness and habitat, with practice, "
            "catch trials and repeats, and exclusion rules fixed beforehand: power above 0.9 for a share of 40 %."
        ),
        fields={
            "selection": {"n_images": 80},
            "trials": 40,
            "practice": 3,
            "catches": 4,
            "repeats": 4,
            "participants": 40,
        },
    ),
}


def preset(name: str, given: Mapping[str, Any]) -> StudyConfig:
    """A configuration that starts from a preset; ``given`` fields win, dictionaries are merged.

    ``given`` must name at least name, dataset, teacher, pairs and contact. Errors: UnknownNameError, BadInputError.
    """
    if name not in PRESETS:
        raise unknown_name("preset of a study", name, PRESETS)
    fields: dict[str, Any] = {"contact": "", "debrief_md": DEBRIEF, **PRESETS[name].fields}
    for key, value in given.items():
        old = fields.get(key)
        fields[key] = {**old, **value} if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    # A guess that errs on the long side: ten seconds a trial, and three minutes of reading.
    shown = sum(int(fields.get(part, 0)) for part in ("trials", "practice", "catches", "repeats"))
    ready = {"minutes": 3 + round(shown / 6), "contact": str(fields["contact"])}
    fields.setdefault("consent_md", CONSENT.format(**ready))
    return config_from(fields)
