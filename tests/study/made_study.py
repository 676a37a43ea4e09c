"""A small study from arrays that the tests make: no network, no data set."""

from __future__ import annotations

from typing import Any

import numpy as np

from xkd_core.study.build import create_study
from xkd_core.study.config import StudyConfig
from xkd_core.study.presets import preset
from xkd_core.study.selection import Candidate
from xkd_core.study.stimuli import ImageMaps
from xkd_core.study.store import answers, participants
from xkd_core.study.store.answers import Given
from xkd_core.study.store.database import Database
from xkd_core.study.store.studies import Study, open_study

GIVEN: dict[str, Any] = {
    "name": "small",
    "dataset": "scenes",
    "teacher": "teacher-run",
    "pairs": [{"naive": "naive-run", "matched": "matched-run", "ratio": 63.0, "lam": 0.5}],
    "contact": "study@example.org",
    "selection": {"n_images": 12},
    "trials": 6,
    "practice": 2,
    "catches": 2,
    "repeats": 1,
    "participants": 5,
    "platform": ["PROLIFIC_PID", "STUDY_ID"],
    "completion_code": "C0DE-42",
    "rendering": {"size_px": 128},
}


def make_config(**changes: Any) -> StudyConfig:
    return preset("recommended", GIVEN | changes)


def make_candidates(n: int = 60) -> list[Candidate]:
    """Three classes, two habitats, every fourth image answered wrong by a student."""
    return [
        Candidate(
            index=index,
            strata={
                "class": ("mug", "fish", "boat")[index % 3],
                "habitat": ("own", "other")[index // 3 % 2],
                "correctness": "all right" if index % 4 else "student wrong",
            },
            teacher_right=True,
            all_right=bool(index % 4),
        )
        for index in range(n)
    ]


def make_maps(config: StudyConfig) -> Any:
    """Maps with one bright cell: the teacher's by the image, the matched student's beside it, the naive's elsewhere."""

    def maps_of(index: int) -> ImageMaps:
        rng = np.random.default_rng(index)
        photo = rng.integers(0, 256, (128, 128, 3), dtype=np.uint8)
        maps = {}
        for place, run in enumerate(config.run_ids):
            grid = np.full((4, 4), 0.1, dtype=np.float32)
            grid[(index + place) % 4, (index // 4 + place) % 4] = 1.0 + place
            maps[run] = grid
        similarities = {
            run: {"cosine": float(rng.random()), "pearson": float("nan") if index == 0 else float(rng.random())}
            for run in config.run_ids[1:]
        }
        return ImageMaps(photo=photo, maps=maps, similarities=similarities)

    return maps_of


def make_study(database: Database, *, opened: bool = True, **changes: Any) -> Study:
    config = make_config(**changes)
    study = create_study(database, config, candidates=make_candidates(), maps_of=make_maps(config))
    return open_study(database, study.id) if opened else study


def walk_to_trials(database: Database, study: Study, token: str) -> None:
    """Everything before the first counted trial, as a page would call it."""
    participants.consent(database, token, study.config.consent_sha256)
    assert participants.pass_screen(database, token, 1200)
    participants.finish_instructions(database, token)
    while (now := answers.progress(database, token)).stage == "practice":
        assert now.trial is not None
        answers.answer(database, token, now.trial.index, 1)
    assert participants.answer_check(database, token, right=True) == "trials"


def answer_all(database: Database, token: str, choose: Any = lambda trial: 1) -> int:
    """Answer what is left of the trials; returns how many were answered."""
    count = 0
    while (now := answers.progress(database, token)).stage == "trials":
        assert now.trial is not None
        answers.answer(database, token, now.trial.index, choose(now.trial), Given(rt_ms=1500, method="key", blurs=0))
        count += 1
    return count


def make_participant(database: Database, study: Study, **platform: str) -> str:
    token = participants.enrol(database, study.id, platform).token
    walk_to_trials(database, study, token)
    return token
