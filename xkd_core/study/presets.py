"""Two ready studies: the one that paper 003 describes, and the one that we recommend."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from xkd_core.errors import unknown_name
from xkd_core.study.config import Stratum, StudyConfig, config_from, minutes_of

ALL_STRATA: tuple[Stratum, ...] = ("class", "correctness", "habitat")

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
Each picture showed which parts of a photo a computer program used for its decision: a large program and two
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
            "60 people x 40 trials over 160 images, drawn evenly by class, correctness and habitat, with practice, "
            "catch trials and repeats, and exclusion rules fixed beforehand. In simulations it finds a share of 40 %, "
            "where guessing gives 33 %, in more than 80 % of the studies."
        ),
        fields={
            "selection": {"n_images": 160, "strata": ALL_STRATA},
            "trials": 40,
            "practice": 3,
            "catches": 4,
            "repeats": 4,
            "participants": 60,
        },
    ),
}


def preset(name: str, given: Mapping[str, Any], *, strata: Collection[Stratum] = ALL_STRATA) -> StudyConfig:
    """A configuration that starts from a preset; ``given`` fields win, dictionaries are merged.

    ``given`` must name at least name, dataset, teacher, pairs and contact. strata: those that the data set has; the
    preset's others are left out. Errors: UnknownNameError, BadInputError.
    """
    if name not in PRESETS:
        raise unknown_name("preset of a study", name, PRESETS)
    fields: dict[str, Any] = {"contact": "", "debrief_md": _unwrapped(DEBRIEF), **PRESETS[name].fields}
    selection = fields["selection"]
    fields["selection"] = {**selection, "strata": [one for one in selection["strata"] if one in strata]}
    for key, value in given.items():
        old = fields.get(key)
        fields[key] = {**old, **value} if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    shown = sum(int(fields.get(part, 0)) for part in ("trials", "practice", "catches", "repeats"))
    ready = {"minutes": minutes_of(shown), "contact": str(fields["contact"])}
    fields.setdefault("consent_md", _unwrapped(CONSENT).format(**ready))
    return config_from(fields)


def _unwrapped(text: str) -> str:
    """One line for each paragraph: the study leader edits these texts."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
