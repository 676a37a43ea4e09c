"""A link says everything: what it names is shown, what it cannot mean is said, and another page keeps it."""

from __future__ import annotations

import pytest

from tests.pages.seen import payload


def said(app):
    return [str(warning.value) for warning in app.warning]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"image": "99999"}, "image '99999'; there are the images 0 to 1,999"),
        ({"image": "-5"}, "image '-5'"),
        ({"image": "abc"}, "image 'abc'"),
        ({"target": "unicorn"}, "'unicorn'"),
        ({"maps": "no_such"}, "'no_such'"),
        ({"maps": "cam,no_such"}, "'no_such'"),
        ({"data": "nothing"}, "images 'nothing'"),
        ({"lam": "7"}, "λ, weight of distillation '7'"),
        ({"match": "magic"}, "asks for students matched by 'magic'"),
        ({"plain": "maybe"}, "'Plain pictures' to be 'maybe'"),
        ({"g_order": "odd"}, "'odd'"),
        ({"run": "scenes-swa-w16-nowhere"}, "'scenes-swa-w16-nowhere'"),
    ],
)
def test_what_a_link_cannot_mean_is_one_sentence_until_the_visitor_acts(open_page, query, words):
    app = open_page(**query)
    assert not app.exception
    assert len(said(app)) == 1
    assert words in said(app)[0]
    app.run()  # as when a map has been computed beside the page
    assert len(said(app)) == 1
    app.button(key="next").click().run()
    assert said(app) == []


def test_an_unknown_run_names_at_most_five_that_are_near(open_page, made):
    wrong = made.runs["swa 0.125 0.5"][:-3] + "zzz"
    (sentence,) = said(open_page(run=wrong))
    named = [run_id for run_id in made.runs.values() if run_id in sentence]
    assert 1 <= len(named) <= 5
    assert made.runs["swa 0.125 0.5"] in named


def test_a_run_that_no_slider_shows_is_not_called_missing(open_page, made):
    (sentence,) = said(open_page(run=made.runs["second"]))
    assert f"cannot show the run '{made.runs['second']}'" in sentence and "not here" not in sentence
    assert said(open_page(run=made.runs["teacher"])) == []  # it is on screen


def test_a_good_link_says_nothing(open_page, made):
    assert (
        said(open_page(image="3", lam="1", ratio="15.8", target="own", maps="cam", run=made.runs["swa 0.25 1"])) == []
    )


def test_compression_and_back_keeps_what_was_chosen(open_page, made):
    app = open_page(image="7", lam="1", ratio="15.8", target="mug", g_order="index")
    app.query_params.clear()
    app.switch_page("pages/compression.py").run()
    assert not app.exception
    data = payload(app)
    assert (data["choice"]["lam"], data["subject"].split(" ")[0]) == (1.0, "scenes:test:7")
    app.button(key="next").click().run()
    shown = payload(app)["subject"].split(" ")[0]
    app.select_slider(key="lam").set_value(0.0).run()
    app.query_params.clear()
    app.switch_page("pages/explore.py").run()
    data = payload(app)
    assert data["subject"].split(" ")[0] == shown != "scenes:test:7"
    assert (data["choice"]["lam"], data["choice"]["ratio"]) == (0.0, pytest.approx(15.8, rel=0.01))
    assert app.selectbox(key="target").value == "mug"
    assert app.query_params["lam"] in ("0", ["0"])


def test_a_family_of_students_is_kept_and_photographs_come_back(open_page, made):
    app = open_page(match="ewa")
    app.query_params.clear()
    app.switch_page("pages/compression.py").run()
    assert app.selectbox(key="match").value == "ewa"


def test_a_link_to_a_run_wins_over_what_was_kept(open_page, made):
    app = open_page(lam="1", match="ewa")
    app.switch_page("pages/compression.py").run()
    app.query_params.clear()
    app.query_params["run"] = made.runs["swa 0.25 0"]
    app.switch_page("pages/explore.py").run()
    data = payload(app)
    assert (data["choice"]["lam"], data["choice"]["ratio"]) == (0.0, pytest.approx(15.8, rel=0.01))
    assert app.selectbox(key="match").value == "swa"


def test_the_filmstrip_keeps_in_the_address_how_it_is_drawn(open_page):
    app = open_page("compression", view="contour.all.cividis.35.60.no")
    assert payload(app)["look"]["mode"] == "contour"
    assert app.query_params["view"] in (["contour.all.cividis.35.60.no"], "contour.all.cividis.35.60.no")


def test_a_change_of_data_forgets_the_image(open_page):
    app = open_page(image="7")
    app.selectbox(key="data").set_value("cifar10").run()
    app.selectbox(key="data").set_value("scenes").run()
    assert "image" not in app.query_params


def test_titles_stand_for_names(open_page):
    app = open_page()
    assert "SWA" in app.selectbox(key="match").options
    assert "The teacher's top-1" in app.selectbox(key="target").options
    assert "KernelSHAP on superpixels" in app.multiselect(key="maps").options


def test_a_browser_that_missed_the_first_drawing_still_gets_the_links_values(open_page):
    """A second run throws away what was not sent yet: what it draws must not fall back to the widgets' defaults."""
    asked = {"image": "7", "lam": "1", "target": "mug", "maps": "cam", "plain": "1", "g_order": "index"}
    app = open_page(**asked)
    app.run()
    assert not any(widget.proto.set_value for widget in (app.number_input(key="image"), app.toggle(key="plain")))
    assert app.number_input(key="image").proto.default == 7
    assert app.toggle(key="plain").proto.default is True
    for name, text in {"target": "mug", "g_order": "As numbered"}.items():
        box = app.selectbox(key=name)
        assert box.options[box.proto.default] == text
    slider = app.select_slider(key="lam")
    assert [slider.options[int(index)] for index in slider.proto.default] == ["1"]
    maps = app.multiselect(key="maps")
    assert [maps.options[index] for index in maps.proto.default] == ["CAM"]
