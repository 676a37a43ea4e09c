"""What is stored of a study, as tables for analysis and export: one row per trial, participant and item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from xkd_core.study.store.database import Database
from xkd_core.study.store.studies import Study
from xkd_core.study.store.tables import ItemRow, ParticipantRow, PlatformRow, ResponseRow, TrialRow

_TRIAL = ("idx", "kind", "slot1", "slot2", "slot3", "reference", "repeat_of", "shown_at")
_RESPONSE = ("choice", "odd", "pair", "correct", "rt_client_ms", "rt_server_ms", "input_method", "blur_count",
             "version", "answered_at")  # fmt: skip
_PARTICIPANT = ("number", "stage", "seed", "check_failures", "viewport_px", "consent_version", "consent_sha256",
                "started_at", "consent_at", "completed_at", "comment")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class StudyData:
    """Everything of one study. trials: one row per drawn trial, with its answer where there is one.

    The pair of a trial's answer stands in ``answer`` (TM, TN, NM), so that ``pair`` can be the pair of students.
    """

    study: Study
    participants: pd.DataFrame
    items: pd.DataFrame
    trials: pd.DataFrame


def read_data(database: Database, study: Study) -> StudyData:
    """Read a study in one transaction, so that the three tables agree."""
    of_study = ParticipantRow.study_id == study.id
    people = select(ParticipantRow.id.label("participant"), *(getattr(ParticipantRow, name) for name in _PARTICIPANT))
    trials = (
        select(
            ParticipantRow.id.label("participant"),
            ItemRow.number.label("item"),
            *(getattr(TrialRow, name) for name in _TRIAL),
            *(getattr(ResponseRow, name).label("answer" if name == "pair" else name) for name in _RESPONSE),
        )
        .join(TrialRow, TrialRow.participant_id == ParticipantRow.id)
        .join(ItemRow, ItemRow.id == TrialRow.item_id)
        .outerjoin(ResponseRow, ResponseRow.trial_id == TrialRow.id)
    )
    queries: tuple[Select[*tuple[Any, ...]], ...] = (
        people.where(of_study).order_by(ParticipantRow.number),
        _items(study),
        trials.where(of_study).order_by(ParticipantRow.number, TrialRow.idx),
    )

    def work(session: Session) -> list[pd.DataFrame]:
        return [_frame(session, query) for query in queries]

    participants, item_table, trial_table = database.read(work)
    item_table = _with_pairs(item_table, study)
    about = item_table[["item", "image", "stratum", "students", "ratio", "lam"]]
    return StudyData(
        study=study, participants=participants, items=item_table, trials=trial_table.merge(about, how="left")
    )


def read_items(database: Database, study: Study) -> pd.DataFrame:
    """What a study shows: one row per item, with its pair of students where it has one."""
    return _with_pairs(database.read(lambda session: _frame(session, _items(study))), study)


def read_platform(database: Database, study: Study) -> pd.DataFrame:
    """What recruiting platforms sent: participant, name, value. Never part of the export."""
    query = (
        select(PlatformRow.participant_id.label("participant"), PlatformRow.name, PlatformRow.value)
        .join(ParticipantRow, ParticipantRow.id == PlatformRow.participant_id)
        .where(ParticipantRow.study_id == study.id)
        .order_by(ParticipantRow.number, PlatformRow.name)
    )
    return database.read(lambda session: _frame(session, query))


def _items(study: Study) -> Select[*tuple[Any, ...]]:
    columns = (ItemRow.number.label("item"), ItemRow.kind, ItemRow.image, ItemRow.stratum,
               ItemRow.pair.label("students"), ItemRow.similarities)  # fmt: skip
    return select(*columns).where(ItemRow.study_id == study.id).order_by(ItemRow.number)


def _with_pairs(items: pd.DataFrame, study: Study) -> pd.DataFrame:
    pairs = pd.DataFrame([{"students": place, **pair.model_dump()} for place, pair in enumerate(study.config.pairs)])
    return items.astype({"students": "Int64"}).merge(pairs.astype({"students": "Int64"}), how="left")


def _frame(session: Session, query: Select[*tuple[Any, ...]]) -> pd.DataFrame:
    result = session.execute(query)
    columns = list(result.keys())
    return pd.DataFrame([tuple(row) for row in result], columns=columns)
