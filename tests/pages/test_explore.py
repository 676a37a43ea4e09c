"""The landing page: its numbers are the stored ones, its link is read, and damage becomes a sentence."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tests.made_zoo import apart, make_zoo
from tests.pages.seen import payload, settled, words
from xkd_core import rendering
from xkd_core.results.store import read_rows


def stored(made, run_id, index, explainer="cam"):
    rows = read_rows("scenes", "maps", root=made.root)
    chosen = rows[(rows["run_id"] == run_id) & (rows["index"] == index) & (rows["explainer"] == explainer)]
    return chosen.iloc[0]


def in_reach(made):
    """The runs that the sliders can show while the kind of matching stays SWA."""
    return {made.runs[name] for name in made.runs if name == "teacher" or name.startswith(("kd ", "swa "))}


def test_the_landing_page_shows_the_stored_cosines(open_page, made):
    app = open_page()
    assert not app.exception
    index = app.number_input(key="image").value
    data = payload(app)
    for name in ("kd 0.125 0.5", "swa 0.125 0.5"):
        cosine = stored(made, made.runs[name], index)["cosine"]
        expected = "cosine undefined" if cosine != cosine else f"cosine {cosine:.2f}"
        assert data["runs"][made.runs[name]]["cells"]["cam"]["score"] == expected
    naive = stored(made, made.runs["kd 0.125 0.5"], index)["cosine"]
    assert f"naive student {naive:.2f}" in words(app)


def test_the_landing_page_tells_the_story_that_ranking_finds(open_page, made):
    from xkd_core.serving import stories
    from xkd_core.serving.results import read_results
    from xkd_core.serving.zoo import read_zoo

    app = open_page()
    zoo = read_zoo("scenes", root=made.root)
    story = stories.tell(read_results("scenes", root=made.root), zoo, zoo.default())
    assert story is not None, "the made zoo tells no story any more: choose another SEED"
    assert app.number_input(key="image").value == story.index
    assert f"{100 * story.naive_often.mean:.1f} % of {story.naive_often.n}" in words(app)
    assert "The shortcut is planted" in words(app)


def test_nine_heatmaps_and_more_reach_the_browser(open_page):
    data = payload(settled(open_page()))
    assert len(data["layout"]["rows"]) * len(data["layout"]["columns"]) == 12
    alts = {cell["alt"] for run in data["runs"].values() for cell in run["cells"].values() if cell}
    assert all("heatmap of the" in alt for alt in alts)


def test_heavier_maps_of_all_runs_are_a_job_with_its_cost_shown_first(open_page, made):
    app = settled(open_page(maps="occlusion"))
    button = app.button(key="viewer_compute_all")
    runs = in_reach(made)
    passes = 50 * (len(runs) + 1)  # the teacher explains the image of the shuffled control, too
    assert f"Compute Occlusion for all {len(runs)} runs: {passes:,} forward passes, " in button.label
    assert button.label.endswith(("s", "min", "less than a second"))  # at the pace of the maps on screen
    button.click().run()
    for _ in range(60):
        cells = [run["cells"].get("occlusion") for run in payload(app)["runs"].values()]
        if all(cells):
            break
        time.sleep(0.5)
        app.run()
    assert all(cells)


def test_all_runs_travel_with_the_image_so_that_sliders_need_no_server(open_page, made):
    data = payload(open_page())
    assert set(data["runs"]) == in_reach(made)
    assert all(run["cells"]["cam"]["height"] == 8 for run in data["runs"].values())
    assert data["axes"] == {"lam": [0.0, 0.5, 1.0], "ratio": pytest.approx([15.8, 62.19], rel=0.01), "beta": [2.0, 8.0]}


def test_a_link_restores_image_runs_class_and_drawing(open_page, made):
    app = open_page(image="7", lam="1", ratio="15.8", target="own", maps="cam", view="contour.all.cividis.35.60.no")
    assert not app.exception
    data = payload(app)
    assert data["subject"].startswith("scenes:test:7 own")
    assert (data["choice"]["lam"], data["choice"]["ratio"]) == (1.0, pytest.approx(15.8, rel=0.01))
    expected = {"mode": "contour", "scale": "all", "colours": "cividis", "opacity": 35, "full": 60, "smooth": False,
                "signed": True, "difference": False, "outline": True, "rows": False}  # fmt: skip
    assert data["look"] == expected
    assert app.query_params["run"] == made.runs["swa 0.25 1"]


def test_a_run_named_in_the_link_sets_the_sliders(open_page, made):
    app = open_page(run=made.runs["swa beta 8"])
    choice = payload(app)["choice"]
    assert (choice["lam"], choice["beta"]) == (0.5, 8.0)


@pytest.mark.parametrize(
    "query",
    [{"lam": "7"}, {"ratio": "<script>"}, {"image": "-5"}, {"image": "99999999"}, {"data": "nothing"},
     {"maps": "no_such"}, {"view": "a.b.c.d.e.f.g"}, {"target": "unicorn"}, {"seed": "x"}],
)  # fmt: skip
def test_bad_values_in_a_link_fall_back(open_page, query):
    app = open_page(**query)
    assert not app.exception
    data = payload(app)
    assert data["choice"]["lam"] == 0.5
    assert data["look"]["mode"] == "overlay"
    assert len(app.warning) == ("view" not in query and "seed" not in query)  # there is one seed: nothing to choose


def test_the_sliders_change_the_runs_on_screen(open_page, made):
    app = open_page()
    app.select_slider(key="lam").set_value(1.0).run()
    assert payload(app)["choice"]["lam"] == 1.0
    assert app.query_params["run"] == made.runs["swa 0.125 1"]
    app.selectbox(key="match").select("ewa").run()
    assert not app.exception
    assert app.query_params["run"] == made.runs["ewa"]


def test_next_follows_the_order_of_the_gallery(open_page):
    from xkd_core.serving import gallery
    from xkd_core.serving.results import read_results
    from xkd_core.serving.zoo import read_zoo

    app = open_page(image="0")
    zoo = read_zoo("scenes")
    order = gallery.find(read_results("scenes"), zoo, zoo.default(), gallery.Wish(), n_images=2000).indices
    app.button(key="next").click().run()
    assert app.number_input(key="image").value == order[(order.index(0) + 1) % len(order)]


def test_talk_mode_is_in_the_link_and_shows_two_explainers(open_page):
    app = open_page(talk="1")
    data = payload(app)
    assert data["talk"] is True
    assert len(data["layout"]["columns"]) == 2
    app.button(key="leave_talk").click().run()
    assert payload(app)["talk"] is False
    assert "talk" not in app.query_params


def test_the_plain_form_shows_the_same_as_pictures_with_alt_texts(open_page, made):
    app = open_page(plain="1", maps="cam")
    assert not app.exception
    alts = [picture.alt for image in app.image for picture in image.proto.imgs]
    heatmaps = [alt for alt in alts if "heatmap of the" in alt]
    assert len(heatmaps) == 3
    index = app.number_input(key="image").value
    cosine = stored(made, made.runs["kd 0.125 0.5"], index)["cosine"]
    assert any(f"cosine {cosine:.2f}" in alt for alt in heatmaps)


def test_missing_cifar_offers_the_download(open_page):
    app = open_page(data="cifar10")
    assert not app.exception
    assert "CIFAR-10 is not in" in app.warning[0].value
    assert app.button(key="download_data").label == "Download CIFAR-10"


def test_photos_without_cifar_networks_say_so(open_page):
    app = open_page(data="photos")
    assert not app.exception
    assert "cifar10" in words(app)


@pytest.fixture(scope="session")
def cifar(tmp_path_factory):
    return make_zoo(tmp_path_factory.mktemp("cifar_zoo"), dataset="cifar10", rows=False)


@pytest.mark.parametrize("data", ["photos", "digits"])
def test_images_of_other_kinds_are_explained_by_cifar_networks_and_marked(open_page, cifar, data):
    app = open_page(root=cifar.root, data=data, image="2", maps="cam")
    assert not app.exception
    assert "Outside the training data" in words(app)
    assert set(payload(app)["runs"]) == in_reach(cifar)
    assert "label" not in app.selectbox(key="target").options


def test_an_own_image_is_explained_and_a_broken_one_refused_with_a_sentence(open_page, cifar):
    app = open_page(root=cifar.root, data="upload", maps="cam")
    assert "Choose an image" in words(app)
    pixels = np.random.default_rng(0).integers(0, 255, (90, 60, 3)).astype(np.uint8)
    app.file_uploader[0].upload("mine.png", rendering.png(pixels)).run()
    assert not app.exception
    assert "Outside the training data" in words(app)
    assert payload(app)["subject"].startswith("upload:")
    broken = open_page(root=cifar.root, data="upload", maps="cam")
    broken.file_uploader[0].upload("mine.png", b"not an image").run()
    assert not broken.exception
    assert broken.error


def test_an_explainer_that_fails_says_why_and_the_others_come(open_page, made, monkeypatch):
    from xkd_core.errors import DataUnavailableError
    from xkd_core.serving import explaining

    real = explaining.explain_more

    def failing(*args, name, **options):
        if name == "gradient_shap":
            raise DataUnavailableError("The background images are not in the folder of data sets.")
        return real(*args, name=name, **options)

    monkeypatch.setattr(explaining, "explain_more", failing)
    app = open_page(image="3")
    for _ in range(60):
        if app.error:
            break
        time.sleep(0.5)
        app.run()
    assert "background images are not in" in app.error[0].value
    teacher = payload(app)["runs"][made.runs["teacher"]]
    assert teacher["cells"]["occlusion"]
    assert not teacher["cells"]["gradient_shap"]


def test_gradient_maps_of_photographs_need_no_data_set(open_page, cifar):
    app = settled(open_page(root=cifar.root, data="photos", maps="gradient_shap"))
    assert not app.error


def test_with_each_models_own_class_nothing_is_said_to_have_moved(open_page, made):
    app = open_page(image=str(apart(made)), target="own", maps="cam")
    assert not app.exception
    data = payload(app)
    naive, teacher = (data["runs"][made.runs[name]] for name in ("kd 0.125 0.5", "teacher"))
    cell = naive["cells"]["cam"]
    assert (cell["score"], cell["moved"], cell["control"], cell["other"]) == ("other class", False, "", True)
    assert "cosine" not in cell["alt"]
    assert naive["verdict"].startswith("other class")
    assert teacher["cells"]["cam"]["class"] != cell["class"]
    assert "different classes" in words(app)
    assert not any(word in words(app) for word in ("stayed", "moved", "Cosine to"))


@pytest.mark.parametrize(
    ("target", "how"),
    [("teacher", "teacher's top-1"), ("own", "own top-1"), ("label", "ground truth"), ("mug", "chosen")],
)
def test_every_panel_names_its_class_and_how_it_was_chosen(open_page, target, how):
    data = payload(open_page(image="3", target=target, maps="cam"))
    classes = [run["cells"]["cam"]["class"] for run in data["runs"].values()]
    assert all(text.startswith("class: ") and text.endswith(f"({how})") for text in classes)
    if target == "mug":
        assert set(classes) == {"class: mug (chosen)"}


@pytest.mark.parametrize(
    ("query", "root"),
    [({"data": "upload"}, "cifar"), ({"data": "cifar10"}, "cifar"), ({}, "nothing"), ({"data": "photos"}, "made")],
)
def test_talk_mode_has_a_way_out_wherever_it_stops(open_page, made, cifar, tmp_path, query, root):
    roots = {"cifar": cifar.root, "nothing": tmp_path / "nothing", "made": made.root}
    app = open_page(root=roots[root], talk="1", **query)
    assert not app.exception
    app.button(key="leave_talk").click().run()
    assert "talk" not in app.query_params
    assert not [button for button in app.button if button.key == "leave_talk"]


def test_talk_mode_says_what_must_not_be_forgotten(open_page, cifar):
    assert "The shortcut is planted" in words(open_page(talk="1"))
    assert "Outside the training data" in words(open_page(root=cifar.root, talk="1", data="photos"))


def test_the_plain_form_says_as_much_as_the_viewer(open_page, made):
    app = open_page(plain="1", maps="cam", lam="1")  # runs with λ = 1 were not trained to the end
    data = "\n".join(str(part.value) for part in app.markdown)
    assert "same answer" in data or "other answer" in data
    assert "mAP" in data
    assert "not trained to the end" in data


def test_the_page_is_drawn_again_when_a_map_has_come(monkeypatch):
    """Not when a note changes: the first note of a job is empty, so nothing came before the last map did."""
    from pages._ui import widgets
    from xkd_core.serving.jobs import Job

    class Again(Exception):
        pass

    def again():
        raise Again

    monkeypatch.setattr("streamlit.rerun", again)
    job = Job(key=("a",))
    poll = widgets._poll.__wrapped__
    with pytest.raises(Again):
        poll(job, lambda: 2, 3, "Computing", "work")
    job.note = "Occlusion"
    poll(job, lambda: 3, 3, "Computing", "work")


def test_gallery_filters_stand_in_the_link(open_page, made):
    app = open_page(g_order="matched drift", g_class="mug")
    assert app.selectbox(key="g_order").value == "matched drift"
    assert app.selectbox(key="g_class").value == "mug"
    app.selectbox(key="g_order").set_value("index").run()
    assert app.query_params["g_order"] == ["index"] or app.query_params["g_order"] == "index"
    words_of_links = "\n".join(str(part.value) for part in app.code)
    assert "g_class=mug" in words_of_links and "g_order=index" in words_of_links
