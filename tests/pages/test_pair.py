"""Any two runs beside the teacher: from the sidebar, from the link, and what the page says about them."""

from __future__ import annotations

from tests.pages.seen import payload


def rows(app):
    data = payload(app)
    lam, ratio, beta = (data["axes"][name].index(data["choice"][name]) for name in ("lam", "ratio", "beta"))
    return {role: data["where"][role][lam][ratio][beta][0] for role in ("teacher", "naive", "matched")}


def test_a_link_puts_any_two_runs_beside_the_teacher(open_page, made):
    pair = (made.runs["second"], made.runs["kd 0.125 1"])
    app = open_page(image="3", pair="1", left=pair[0], right=pair[1])
    assert not app.exception
    assert rows(app) == {"teacher": made.runs["teacher"], "naive": pair[0], "matched": pair[1]}
    assert payload(app)["layout"]["sliders"] == []
    text = " ".join(str(one.value) for one in app.markdown)
    assert "Teacher (" in text and "parameters, seed 1) beside Naive student (1/8 width" in text
    labels = app.selectbox(key="left").options
    assert any(one.endswith("parameters, seed 1") for one in labels)
    assert any(one.endswith("(SWA, matched to maps of other images)") for one in labels)
    data = payload(app)
    cosine = data["runs"][pair[1]]["cells"]["cam"]["score"].removeprefix("cosine ")
    assert f"and {cosine}." in text


def test_the_sidebar_offers_every_run_but_the_teacher(open_page, made):
    app = open_page(image="3")
    before = rows(app)
    app.toggle(key="pair").set_value(True).run()
    of_scenes = [run_id for run_id in made.runs.values() if run_id.startswith("scenes")]
    assert len(app.selectbox(key="left").options) == len(of_scenes) - 1
    assert rows(app) == before  # it begins with what was on screen
    app.selectbox(key="right").set_value(made.runs["second"]).run()
    assert rows(app)["matched"] == made.runs["second"]
    assert app.query_params["right"] in (made.runs["second"], [made.runs["second"]])
    app.toggle(key="pair").set_value(False).run()
    assert rows(app) == before


def test_an_unknown_run_in_the_link_is_said(open_page, made):
    app = open_page(image="3", pair="1", left="nothing")
    assert not app.exception
    assert any("'nothing'" in str(warning.value) for warning in app.warning)
