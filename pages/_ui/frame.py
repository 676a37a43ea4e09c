"""What stands around the heatmaps of the landing page: headline, image to image, link, downloads, gallery."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from pages._ui import gallery, resources, takeaway, widgets
from pages._ui.screen import Shown
from xkd_core import rendering
from xkd_core.serving import subjects
from xkd_core.serving.gallery import HABITATS, ORDERS, OUTCOMES, Found, Wish, find
from xkd_core.serving.sentences import headline as sentence
from xkd_core.serving.subjects import OUTSIDE, UPLOAD, ImageKey
from xkd_core.serving.zoo import Choice, Zoo, problems_about, title
from xkd_core.types import UInt8

PAGE_OF_GALLERY = 24
PLANTED = (
    "The shortcut is planted: in 90 % of the images that students learn from, the background gives the class away; "
    "here in half. The teacher learned without it."
)
OUTSIDE_NOTE = "Outside the training data: the CIFAR-10 networks were never trained on images like this."


@dataclass(frozen=True, kw_only=True)
class Order:
    """The image on screen and the images that come before and after it."""

    key: ImageKey
    found: Found


def usable(zoo: Zoo, dataset: str) -> bool:
    """True when there are runs and images; otherwise say what is missing and what to do."""
    problems = problems_about(zoo.problems, zoo.dataset)
    if problems:
        st.warning("Some runs cannot be used.  \n" + "  \n".join(problems))
    if dataset != UPLOAD and (reason := subjects.available(dataset)) is not None:
        widgets.offer_download(dataset, reason)
        return False
    if zoo.teacher is not None and zoo.students:
        return True
    st.info(
        f"There is no {'student' if zoo.teacher else 'teacher'} for **{zoo.dataset}** in the folder of runs. "
        f"Train the shipped set with `python -m xkd_core sweep run checkpoints/{zoo.dataset}/sweep.yaml`, "
        "or choose other images in the sidebar."
    )
    return False


def open_link(zoo: Zoo) -> None:
    """Once a session: a run named in the link sets every slider that the link leaves open."""
    if "_link_read" in st.session_state:
        return
    st.session_state["_link_read"] = True
    run_id = st.query_params.get("run")
    if not run_id or not zoo.cards:
        return
    chosen = zoo.choice_of(run_id)
    if chosen is None:
        st.session_state["_link_problem"] = f"The link names the run {run_id[:90]!r}, which is not here."
        return
    wanted = {
        "lam": chosen.lam,
        "ratio": chosen.ratio,
        "beta": chosen.beta,
        "match": chosen.family,
        "seed": chosen.seed,
    }
    for name, value in wanted.items():
        if name not in st.query_params and name not in st.session_state:
            st.session_state[name] = value


def choose_image(zoo: Zoo, dataset: str, choice: Choice, *, upload: UInt8 | None) -> Order:
    """Previous and next in the gallery's order, and the image's number for the link."""
    if dataset == UPLOAD and upload is not None:
        from xkd_core.images.transforms import image_sha256

        return Order(key=ImageKey(dataset=UPLOAD, split=image_sha256(upload), index=0), found=Found(indices=(0,)))
    n = subjects.images_in(dataset)
    story = None if dataset in OUTSIDE else resources.story(dataset, zoo.default())
    start = 0 if story is None else story.index
    found = _found(zoo, dataset, choice, n)
    if not 0 <= st.session_state.get("image", 0) < n:
        st.session_state["image"] = start
    with st.container(horizontal=True, vertical_alignment="bottom", key="turn"):
        back = st.container(width="content")
        number = int(
            st.number_input(
                "Image", 0, n - 1, value=start, key="image", bind="query-params", width=130,
                label_visibility="collapsed",
            )
        )  # fmt: skip
        before, after = beside(found.indices, number)
        back.button("Previous", on_click=widgets.set_image, args=(before,), shortcut="Left", key="previous")
        st.button("Next", on_click=widgets.set_image, args=(after,), shortcut="Right", key="next")
        if number != start and story is not None:
            st.button("To the story", on_click=widgets.set_image, args=(start,), key="to_story", type="tertiary")
    return Order(key=subjects.key_of(dataset, number), found=found)


def beside(indices: tuple[int, ...], number: int) -> tuple[int, int]:
    """The images before and after ``number`` in the given order, round and round."""
    if not indices:
        return number, number
    place = indices.index(number) if number in indices else -1
    return indices[place - 1 if place > 0 else -1], indices[(place + 1) % len(indices)]


def photo(shown: Shown) -> None:
    """The image as it is, with the explained object outlined where a mask is known."""
    subject, target = shown.view.subject, shown.view.target
    mask = subject.masks.get(target) if target is not None else None
    pixels = subject.photo if mask is None else rendering.outline(subject.photo, mask)
    st.image(rendering.png(pixels), width="stretch", output_format="PNG", alt=f"Photo: {subject.caption}")


def headline(shown: Shown, *, talk: bool) -> None:
    """The sentence that says what to look at, and the numbers behind it."""
    problem = st.session_state.pop("_link_problem", None)
    if problem:
        st.warning(f"{problem} The nearest runs are shown.")
    if shown.view.broken:
        st.error("  \n".join(shown.view.broken.values()))
    key = shown.view.subject.key
    often = _sentence(shown, talk=talk)
    note = OUTSIDE_NOTE if key.outside else PLANTED if key.dataset == "scenes" else ""
    if not talk:
        st.caption("  \n".join(part for part in (often, note) if part))


def _sentence(shown: Shown, *, talk: bool) -> str:
    """Draw the sentence and its numbers; returns how often the same happens."""
    if "naive" not in shown.cards or "matched" not in shown.cards:
        return ""
    scene, key = shown.scene, shown.view.subject.key
    naive, matched = shown.cards["naive"], shown.cards["matched"]
    story = None if key.outside else resources.story(key.dataset, scene.choice)
    bar = None if key.outside else scene.bars.get("cam")
    found = sentence(shown.view, naive.id, matched.id, bar=bar, story=story, word=title(naive).lower())
    if found is None:
        return ""
    st.markdown(f"## {found.title}")
    if not talk:
        st.markdown(found.detail)
    if key.outside:
        return ""
    return found.often or "No stored image tells this story for these runs, so how often it happens is not shown."


def after(shown: Shown, order: Order) -> None:
    """Below the grid: take it away, all numbers, and more images."""
    takeaway.bar(shown)
    with st.expander("All numbers of this image"):
        takeaway.numbers(shown)
    if len(order.found.indices) > 1 or order.found.missing:
        _gallery(shown, order)


def _found(zoo: Zoo, dataset: str, choice: Choice, n: int) -> Found:
    if dataset in OUTSIDE:
        return Found(indices=tuple(range(n)))
    state = st.session_state
    classes = zoo.teacher.classes if zoo.teacher is not None else ()
    wish = Wish(
        target=classes.index(state["g_class"]) if state.get("g_class") in classes else None,
        habitat=state.get("g_habitat", "any"),
        outcome=state.get("g_outcome", "any"),
        order=state.get("g_order", "naive drift"),
    )
    return find(resources.results(dataset), zoo, choice, wish, n_images=n)


def _gallery(shown: Shown, order: Order) -> None:
    dataset = order.key.dataset
    st.markdown("### More images")
    if dataset not in OUTSIDE:
        _filters(shown.view.subject.classes, has_habitats=dataset == "scenes")
    if order.found.missing:
        st.info(order.found.missing)
    n = len(order.found.indices)
    st.caption(f"{n:,} images")
    pages = max(1, -(-n // PAGE_OF_GALLERY))
    page = 1 if pages == 1 else int(st.pagination(pages, key="g_page") or 1)
    place = slice((page - 1) * PAGE_OF_GALLERY, page * PAGE_OF_GALLERY)
    indices = order.found.indices[place]
    cosines = order.found.cosines[place] or ((None, None),) * len(indices)
    links = resources.thumbnails(dataset, indices)
    items = [
        {"index": index, "src": link, "alt": f"Image {index}", "current": index == order.key.index,
         "words": "" if pair[0] is None else f"naive {_short(pair[0])}\nmatched {_short(pair[1])}"}
        for index, link, pair in zip(indices, links, cosines, strict=True)
    ]  # fmt: skip
    gallery.show(items, key="gallery", on_pick=_picked)


def _short(cosine: float) -> str:
    return "undefined" if cosine != cosine else f"{cosine:.2f}"


def _filters(classes: tuple[str, ...], *, has_habitats: bool) -> None:
    columns = st.columns(4 if has_habitats else 3)
    keep = {"persist_state": "session"}
    columns[0].selectbox("Explained class", ["all classes", *classes], key="g_class", **keep)
    columns[1].selectbox("Answer", list(OUTCOMES), format_func=lambda name: OUTCOMES[name], key="g_outcome", **keep)
    columns[2].selectbox("Order", list(ORDERS), format_func=lambda name: ORDERS[name], key="g_order", **keep)
    if has_habitats:
        columns[3].selectbox(
            "Background", list(HABITATS), format_func=lambda name: HABITATS[name], key="g_habitat", **keep
        )


def _picked() -> None:
    index = st.session_state["gallery"].picked
    if isinstance(index, int):
        widgets.set_image(index)
