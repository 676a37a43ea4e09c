"""Answers are kept: one row each, at most once, resumed anywhere, deleted when asked. SQLite and PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, text

from tests.study.made_study import answer_all, make_config, make_participant, make_study, walk_to_trials
from xkd_core.errors import BadInputError, UnknownNameError
from xkd_core.study.store import answers, participants
from xkd_core.study.store.answers import Given, answer, mark_shown, progress, stimulus
from xkd_core.study.store.database import Database
from xkd_core.study.store.frames import read_data, read_platform
from xkd_core.study.store.participants import NoParticipantError, enrol
from xkd_core.study.store.studies import (
    check_stimuli,
    close_study,
    delete_study,
    find_study,
    list_studies,
    open_study,
    recruitment,
    study_by_id,
)
from xkd_core.study.store.tables import Base, ParticipantRow, ResponseRow, TrialRow


def rows(database: Database, table) -> int:
    return database.read(lambda session: session.scalar(select(func.count()).select_from(table)))


def test_a_participant_goes_all_the_way(database):
    study = make_study(database)
    token = enrol(database, study.id, {"PROLIFIC_PID": "abc"}).token
    assert progress(database, token).stage == "consent"
    walk_to_trials(database, study, token)
    now = progress(database, token)
    assert (now.stage, now.answered, now.total) == ("trials", 0, 9)
    assert answer_all(database, token) == 9
    assert progress(database, token).stage == "comment"
    participants.finish(database, token, "  fine\x00 ")
    end = progress(database, token)
    assert (end.stage, end.trial, end.answered) == ("done", None, 9)
    data = read_data(database, study)
    assert data.participants["comment"].tolist() == ["fine"]
    assert data.participants["consent_sha256"].tolist() == [study.config.consent_sha256]
    assert data.trials["choice"].notna().all() and len(data.trials) == 11


def test_an_answer_is_stored_with_what_it_means(database):
    study = make_study(database)
    token = make_participant(database, study)
    now = progress(database, token)
    mark_shown(database, token, now.trial.index)
    answer(database, token, now.trial.index, 2, Given(rt_ms=1234.6, method="touch", blurs=1))
    row = read_data(database, study).trials.query("idx == @now.trial.index").iloc[0]
    assert row["odd"] == row["slot2"]
    assert row["answer"] == {"naive": "TM", "matched": "TN", "teacher": "NM"}[row["slot2"]]
    assert (row["rt_client_ms"], row["input_method"], row["blur_count"]) == (1235, "touch", 1)
    assert 0 <= row["rt_server_ms"] < 60_000
    assert (row["lam"], row["ratio"]) == (0.5, 63.0)


def test_a_double_click_counts_once_and_changes_nothing(database):
    study = make_study(database)
    token = make_participant(database, study)
    index = progress(database, token).trial.index
    before = rows(database, ResponseRow)
    assert answer(database, token, index, 1).first
    second = answer(database, token, index, 3)
    assert (second.first, second.choice) == (False, 1)
    assert rows(database, ResponseRow) == before + 1
    assert progress(database, token).trial.index == index + 1


def test_two_tabs_at_once_store_one_answer(database):
    study = make_study(database)
    token = make_participant(database, study)
    index, before = progress(database, token).trial.index, rows(database, ResponseRow)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda choice: answer(database, token, index, 1 + choice % 3), range(8)))
    assert sum(one.first for one in found) == 1
    assert len({one.choice for one in found}) == 1
    assert rows(database, ResponseRow) == before + 1


def test_a_trial_can_only_be_answered_when_it_is_next(database):
    study = make_study(database)
    token = make_participant(database, study)
    index = progress(database, token).trial.index
    for wrong in (index + 1, index + 2, 999, -1):
        with pytest.raises(BadInputError, match="not the picture that comes next"):
            answer(database, token, wrong, 1)
    for choice in (0, 4, -1):
        with pytest.raises(BadInputError, match="A choice is 1 to 3"):
            answer(database, token, index, choice)
    assert progress(database, token).trial.index == index


def test_nothing_can_be_answered_before_consent(database):
    study = make_study(database)
    token = enrol(database, study.id).token
    for index in (0, 2, 5):
        with pytest.raises(BadInputError, match="not the picture that comes next"):
            answer(database, token, index, 1)
    assert rows(database, ResponseRow) == 0


def test_the_database_itself_refuses_a_second_answer(database):
    study = make_study(database)
    token = make_participant(database, study)
    answer(database, token, progress(database, token).trial.index, 1)
    with pytest.raises(Exception, match=r"(?i)unique"), database.engine.begin() as connection:
        connection.execute(text("INSERT INTO response (trial_id, choice, version, answered_at) "
                                "SELECT trial_id, choice, version, answered_at FROM response"))  # fmt: skip


def test_another_replica_and_a_restart_go_on_at_the_same_trial(database, url):
    study = make_study(database)
    token = make_participant(database, study)
    answer(database, token, progress(database, token).trial.index, 1)
    other = Database(url)
    assert progress(other, token) == progress(database, token)
    answer(other, token, progress(other, token).trial.index, 2)
    assert progress(database, token).answered == 2
    other.close()


def test_practice_has_feedback_and_trials_have_none(database):
    study = make_study(database)
    token = enrol(database, study.id).token
    participants.consent(database, token, study.config.consent_sha256)
    participants.pass_screen(database, token, 1000)
    participants.finish_instructions(database, token)
    first = progress(database, token).trial
    assert first.practice
    given = answer(database, token, first.index, 1)
    assert given.right_slot in (1, 2, 3) and given.correct == (given.right_slot == 1)
    answer(database, token, progress(database, token).trial.index, 1)
    assert progress(database, token).stage == "check"
    participants.answer_check(database, token, right=True)
    trial = progress(database, token).trial
    assert not trial.practice
    given = answer(database, token, trial.index, 1)
    assert (given.correct, given.right_slot) == (None, None)


def test_a_second_wrong_check_ends_the_participation(database):
    study = make_study(database, practice=0)
    token = enrol(database, study.id).token
    participants.consent(database, token, study.config.consent_sha256)
    participants.pass_screen(database, token, 1000)
    participants.finish_instructions(database, token)
    assert participants.answer_check(database, token, right=False) == "check"
    assert participants.answer_check(database, token, right=False) == "refused"
    assert participants.answer_check(database, token, right=True) == "refused"
    assert progress(database, token).trial is None


def test_a_narrow_window_and_another_consent_text_hold_a_participant_back(database):
    study = make_study(database, min_width_px=600)
    token = enrol(database, study.id).token
    with pytest.raises(BadInputError, match="not the one of this study"):
        participants.consent(database, token, "0" * 64)
    participants.consent(database, token, study.config.consent_sha256)
    assert not participants.pass_screen(database, token, 599)
    assert progress(database, token).stage == "screen"
    assert participants.pass_screen(database, token, 600)
    assert progress(database, token).stage == "instructions"


def test_a_platform_id_comes_back_to_its_place_and_others_do_not(database):
    study = make_study(database)
    first = enrol(database, study.id, {"PROLIFIC_PID": "p1", "STUDY_ID": "s", "EXTRA": "x"})
    again = enrol(database, study.id, {"PROLIFIC_PID": "p1"})
    other = enrol(database, study.id, {"PROLIFIC_PID": "p2"})
    assert again.returning and (again.token, again.code) == (first.token, first.code)
    assert other.code != first.code and not other.returning
    assert read_platform(database, study)["name"].tolist() == ["PROLIFIC_PID", "STUDY_ID", "PROLIFIC_PID"]
    assert recruitment(database, study).arrived == 2


def test_one_person_who_arrives_ten_times_at_once_is_one(database):
    study = make_study(database)
    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(lambda _: enrol(database, study.id, {"PROLIFIC_PID": "p"}), range(10)))
    assert len({one.token for one in found}) == 1
    assert rows(database, ParticipantRow) == 1


@pytest.mark.parametrize("value", ["x" * 129, "<script>", "a b", "=1+1", "\x00", "é"])
def test_odd_parameters_of_a_link_are_refused(database, value):
    study = make_study(database)
    with pytest.raises(BadInputError, match="PROLIFIC_PID must be"):
        enrol(database, study.id, {"PROLIFIC_PID": value})
    assert rows(database, ParticipantRow) == 0


@pytest.mark.parametrize("token", ["", "x", "A" * 32, "A" * 100_000, "' OR 1=1 --", "\x00" * 32, "A" * 31 + "\n"])
def test_guessed_tokens_open_nothing(database, token):
    make_participant(database, make_study(database))
    for call in (progress, participants.withdraw, participants.finish):
        with pytest.raises(NoParticipantError, match="not known"):
            call(database, token)
    with pytest.raises(NoParticipantError):
        answer(database, token, 0, 1)
    assert rows(database, ParticipantRow) == 1


@pytest.mark.parametrize("link", ["", "0" * 24, "' OR 1=1", "a" * 10_000, "../../x"])
def test_guessed_studies_are_unknown(database, link):
    make_study(database)
    with pytest.raises(UnknownNameError, match="does not belong to a study"):
        enrol(database, link)


def test_a_participant_gets_the_pictures_of_the_own_trials_only(database):
    study, other = make_study(database), make_study(database)
    token, stranger = make_participant(database, study), make_participant(database, other)
    trial = progress(database, token).trial
    for name in (trial.photo, *trial.panels):
        assert stimulus(database, token, name).startswith(b"\x89PNG")
        with pytest.raises(BadInputError, match="does not belong"):
            stimulus(database, stranger, name)
    assert len(set(trial.panels)) == 3


def test_no_word_of_what_is_shown_leaves_the_store(database):
    study = make_study(database)
    token = make_participant(database, study)
    seen = repr(progress(database, token)) + repr(answer(database, token, progress(database, token).trial.index, 1))
    for word in ("teacher", "naive", "matched", "occlusion", "catch", "repeat", "same_", "different", "-run"):
        assert word not in seen


def test_withdrawing_deletes_everything_of_one_person(database):
    study = make_study(database)
    token, kept = make_participant(database, study, PROLIFIC_PID="gone"), make_participant(database, study)
    answer_all(database, token)
    participants.withdraw(database, token)
    with pytest.raises(NoParticipantError):
        progress(database, token)
    data = read_data(database, study)
    assert data.participants["participant"].tolist() == [progress(database, kept).code]
    assert rows(database, TrialRow) == 11 and rows(database, ResponseRow) == 2
    assert read_platform(database, study).empty
    assert recruitment(database, study).withdrawn == 1
    assert enrol(database, study.id).code not in ("", progress(database, kept).code)


def test_deletion_on_request_needs_the_code_and_the_study(database):
    study, other = make_study(database), make_study(database)
    code = progress(database, make_participant(database, study)).code
    with pytest.raises(BadInputError, match="No participant"):
        participants.delete_participant(database, other.id, code)
    participants.delete_participant(database, study.id, code)
    assert rows(database, ParticipantRow) == 0 and rows(database, ResponseRow) == 0
    assert recruitment(database, study).deleted == 1


def test_platform_ids_can_be_purged_and_answers_stay(database):
    study = make_study(database)
    answer_all(database, make_participant(database, study, PROLIFIC_PID="p1", STUDY_ID="s"))
    assert participants.purge_platform_ids(database, study.id) == 2
    assert read_platform(database, study).empty
    assert rows(database, ResponseRow) == 11
    assert database.read(lambda session: session.scalar(select(ParticipantRow.external_sha256))) is None


def test_a_study_takes_people_only_while_it_is_open(database):
    study = make_study(database, opened=False)
    with pytest.raises(BadInputError, match="does not take new participants"):
        enrol(database, study.id)
    open_study(database, study.id)
    token = enrol(database, study.id).token
    close_study(database, study.id)
    with pytest.raises(BadInputError, match="does not take new participants"):
        enrol(database, study.id)
    walk_to_trials(database, study, token)  # who has begun may finish
    assert answer_all(database, token) == 9


def test_a_study_with_a_missing_picture_does_not_open(database):
    study = make_study(database, opened=False)
    assert check_stimuli(database, study.id) == 16 * 4
    from xkd_core.study.stimuli import stimuli_dir

    next(stimuli_dir(study.id).iterdir()).unlink()
    with pytest.raises(Exception, match="not on this machine"):
        open_study(database, study.id)
    assert study_by_id(database, study.id).status == "draft"


def test_names_are_versioned_and_found(database):
    first, second = make_study(database), make_study(database, seed=5)
    assert [study.label for study in (first, second)] == ["small-v1", "small-v2"]
    assert find_study(database, "small").id == second.id
    assert find_study(database, "small-v1").id == find_study(database, first.id).id == first.id
    assert first.config_sha256 == make_config().sha256 != second.config_sha256
    with pytest.raises(UnknownNameError, match="Did you mean 'small-v2'"):
        find_study(database, "smal-v2")


def test_a_deleted_study_leaves_no_row_and_no_picture(database, home):
    study = make_study(database)
    answer_all(database, make_participant(database, study))
    delete_study(database, study.id)
    assert list_studies(database) == ()
    assert all(rows(database, table) == 0 for table in Base.metadata.tables.values())
    assert not list(home.rglob("*.png"))


def test_numbers_are_never_given_twice_and_items_stay_balanced(database):
    study = make_study(database)
    tokens = [enrol(database, study.id).token for _ in range(4)]
    participants.withdraw(database, tokens[-1])
    enrol(database, study.id)
    data = read_data(database, study)
    assert data.participants["number"].tolist() == [0, 1, 2, 4]
    counts = data.trials.query("kind == 'main'")["item"].value_counts()
    assert len(counts) == 12 and counts.max() - counts.min() <= 2


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (Given(rt_ms=float("nan"), method="<b>", blurs=-1), (None, None, None)),
        (Given(rt_ms=-5, method=None, blurs=10**9), (None, None, None)),
        (Given(rt_ms=float("inf"), method="key", blurs=0), (None, "key", 0)),
        (Given(rt_ms=0, method="pointer", blurs=3), (0, "pointer", 3)),
    ],
)
def test_what_cannot_be_true_is_stored_as_unknown(sqlite, given, stored):
    study = make_study(sqlite)
    token = make_participant(sqlite, study)
    answer(sqlite, token, progress(sqlite, token).trial.index, 1, given)
    found = sqlite.read(
        lambda session: session.execute(
            select(ResponseRow.rt_client_ms, ResponseRow.input_method, ResponseRow.blur_count)
            .order_by(ResponseRow.answered_at.desc())
            .limit(1)
        ).one()
    )
    assert tuple(found) == stored


def test_no_column_holds_an_address_or_a_browser():
    names = {column.name for table in Base.metadata.tables.values() for column in table.columns}
    assert not [name for name in names if any(word in name for word in ("ip", "agent", "address", "host")) and
                name not in ("participant_id", "participant")]  # fmt: skip
    assert answers.INPUT_METHODS == ("key", "pointer", "touch", "button")
