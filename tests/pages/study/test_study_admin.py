"""The study leader's page once inside: recruitment, pictures, results, exports and deletions."""

from __future__ import annotations

import io
import zipfile

from pages._ui.study import recruit
from tests.pages.study.admin_pages import answered
from tests.pages.study.study_pages import press, texts
from tests.study.made_study import answer_all, make_participant, make_study
from xkd_core.study.analysis.report import analyse
from xkd_core.study.export import export_zip
from xkd_core.study.store import participants, studies
from xkd_core.study.store.frames import read_data, read_platform


def test_the_link_carries_the_platforms_parameters(database):
    study = make_study(database)
    assert recruit.link("https://x.org", study) == (
        f"https://x.org/study?s={study.id}&PROLIFIC_PID={{{{%PROLIFIC_PID%}}}}&STUDY_ID={{{{%STUDY_ID%}}}}"
    )


def test_recruitment_counts_who_came_and_who_finished(enter, database):
    study = answered(database, people=2)
    token = make_participant(database, study)
    participants.withdraw(database, make_participant(database, study))
    app = enter()
    counts = {metric.label: metric.value for metric in app.metric}
    assert counts == {"Planned": "5", "Came": "4", "Under way": "1", "Finished": "2", "Withdrawn": "1", "Deleted": "0"}
    assert "12 answers to main trials; of each item 1 to 1" in texts(app)
    assert "XKD_MODE=study" in texts(app)
    assert token


def test_the_pictures_of_every_item_can_be_looked_at_with_their_roles(enter, database):
    study = make_study(database)
    app = enter("Pictures")
    alts = [picture.alt for image in app.image for picture in image.proto.imgs]
    assert alts == ["Photo", "Teacher", "Naive student", "Matched student"]
    assert study.config.pairs[0].matched in texts(app)
    [numbers] = [frame.value for frame in app.dataframe]
    assert {"metric", "naive", "matched"} <= set(numbers.columns)
    app.number_input(key=f"item_{study.id}").set_value(study.config.n_items).run()
    assert "for practice" in texts(app) and not app.dataframe


def test_results_are_those_of_the_analysis(enter, database):
    study = answered(database)
    report = analyse(read_data(database, study))
    app = enter("Results")
    said = texts(app)
    share = report.shares["TM"]
    assert f"in {share.share:.0%} [{share.low:.0%}, {share.high:.0%}] of {share.n} answers" in said
    assert "Paper 003, of 30 people: 18 teacher and matched" in said
    test = report.primary.test
    assert f"**{test.mean:.1%}** of {test.n} answers" in said
    assert "3 or more wrong catch trials" in said
    chart = next(one for one in app.get("plotly_chart") if one.key == "shares")
    assert "Paper 003: teacher and matched 60%" in chart.proto.alt
    tables = [frame.value for frame in app.dataframe]
    assert any("rank correlation over items" in frame.columns for frame in tables)
    assert any("p (Holm)" in frame.columns for frame in tables)
    checks = next(frame for frame in tables if "check" in frame.columns)
    assert f"{report.alpha.alpha:.2f}, 95 % interval" in checks["found"].iloc[0]


def test_results_follow_new_answers_and_deletions(enter, database):
    study = answered(database, people=2)
    app = enter("Results")
    assert "By 2 people" in texts(app)
    answer_all(database, make_participant(database, study))
    app.run()
    assert "By 3 people" in texts(app)


def test_results_of_nobody_are_an_empty_page_not_an_error(enter, database):
    make_study(database)
    assert "No answers to main trials yet" in texts(enter("Results"))


def test_two_alternatives_have_no_line_of_paper_003(enter, database):
    answered(database, question="two_alternative")
    app = enter("Results")
    assert "Paper 003" not in texts(app)
    assert "both students" not in next(one for one in app.get("plotly_chart") if one.key == "shares").proto.alt


def test_the_export_is_the_one_of_the_core(enter, database):
    study = answered(database, people=2)
    app = enter("Export and deletion")
    labels = [button.proto.label for button in app.get("download_button")]
    assert "Everything (zip)" in labels and "Codebook (CSV)" in labels and "All tables (JSON)" in labels
    names = zipfile.ZipFile(io.BytesIO(export_zip(database, study))).namelist()
    assert f"{study.label}/codebook.csv" in names


def test_one_participant_is_deleted_on_request(enter, database):
    study = answered(database, people=2)
    code = read_data(database, study).participants.iloc[0]["participant"]
    app = enter("Export and deletion")
    app.text_input[0].set_value("0000")
    app.button[[button.label for button in app.button].index("Delete this participant")].click().run()
    assert "No participant '0000'" in texts(app)
    assert len(read_data(database, study).participants) == 2
    app.segmented_control(key="view").set_value("Export and deletion").run()
    app.text_input[0].set_value(code)
    app.button[[button.label for button in app.button].index("Delete this participant")].click().run()
    assert "is deleted" in texts(app)
    assert code not in set(read_data(database, study).participants["participant"])


def test_the_platforms_ids_are_purged(enter, database):
    study = answered(database, people=2)
    assert len(read_platform(database, study)) == 2
    app = enter("Export and deletion")
    press(app, "purge")
    assert "2 ids deleted" in texts(app)
    assert read_platform(database, study).empty and len(read_data(database, study).participants) == 2


def test_a_study_is_deleted_only_by_its_name(enter, database):
    study = answered(database, people=1)
    app = enter("Export and deletion")
    app.text_input[1].set_value("something")
    app.button[[button.label for button in app.button].index("Delete the study")].click().run()
    assert "Nothing was deleted" in texts(app) and studies.list_studies(database)
    app.text_input[1].set_value(study.label)
    app.button[[button.label for button in app.button].index("Delete the study")].click().run()
    assert f"{study.label} is deleted" in texts(app)
    assert not studies.list_studies(database)
