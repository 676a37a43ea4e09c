"""What stands around the heatmaps of the landing page: headline, image to image, link, downloads, gallery."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages._ui import gallery, link, resources, tables, takeaway, widgets
from pages._ui.screen import Shown
from xkd_core import rendering
from xkd_core.serving import details, subjects
from xkd_core.serving.gallery import HABITATS, OUTCOMES, Found, Wish, orders
from xkd_core.serving.gallery import Order as GalleryOrder
from xkd_core.serving.names import called
from xkd_core.serving.report import Said
from xkd_core.serving.sentences import Headline, beside_each_other, of_one
from xkd_core.serving.sentences import headline as sentence
from xkd_core.serving.stories import STUDENTS
from xkd_core.serving.subjects import OUTSIDE, UPLOAD, ImageKey
from xkd_core.serving.zoo import ROWS, Choice, Zoo, params_of, problems_about
from xkd_core.types import UInt8

PAGE_OF_GALLERY = 24
Filters = dict[str, tuple[str, dict[str, str]]]
"""Key in the link -> label and options with their titles; the first option is the default."""
NO_SHORTCUT = "plain"  # the family of students that were trained on images without the planted shortcut
PLANTED = (
    "The shortcut is planted: in 90 % of the images that students learn from, the background gives the class away; "
    "here in half. The teacher learned without it."
)
PLANTED_SHORT = "The shortcut is planted: in 90 % of the training images the background gives the class away."
OUTSIDE_NOTE = "Outside the training data: the CIFAR-10 networks were never trained on images like this."


@dataclass(frozen=True, kw_only=True)
class Order:
    """The image on screen and the images that come before and after it."""

    key: ImageKey
    found: Found


def has_images(dataset: str) -> bool:
    """True when the images can be read; otherwise say what to do. Stored numbers need none."""
    if dataset == UPLOAD or (reason := subjects.available(dataset)) is None:
        return True
    widgets.offer_download(dataset, reason)
    return False


def has_runs(zoo: Zoo) -> bool:
    """True when there are a teacher and students; otherwise say how to get them. Damaged runs are named."""
    problems = problems_about(zoo.problems, zoo.dataset)
    if problems:
        st.warning("Some runs cannot be used.  \n" + "  \n".join(problems))
    if zoo.teacher is not None and zoo.students:
        return True
    st.info(
        f"There is no {'student' if zoo.teacher else 'teacher'} for **{zoo.dataset}** in the folder of runs. "
        f"Train the shipped set with `python -m xkd_core sweep run checkpoints/{zoo.dataset}/sweep.yaml`, "
        "or choose other images in the sidebar."
    )
    return False


def can_show(zoo: Zoo, choice: Choice) -> bool:
    """Whether live maps of such students can be made; else how to get their weights."""
    if any(zoo.of(row, choice.family) for row in STUDENTS):
        return True
    known = [card for row in STUDENTS for card in zoo.known(row, choice.family)]
    if known:
        st.info("Of these students only the results are here, not their weights, so no maps can be made. "
                f"`python -m xkd_core distill --run {known[-1].id}` trains one of them again.")  # fmt: skip
    return not known


def open_link(zoo: Zoo) -> None:
    """Once a page: a run named in the link sets every slider that the link leaves open."""
    if "_link_read" in st.session_state:
        return
    st.session_state["_link_read"] = True
    run_id = st.query_params.get("run")
    if not run_id or not zoo.cards:
        return
    chosen, card = zoo.choice_of(run_id), zoo.by_id.get(run_id)
    if card is not None and run_id not in zoo.away and not _shows(zoo, chosen or zoo.default(), run_id):
        link.complain(f"The sliders cannot show the run {run_id[:90]!r}; 'Compare any two runs' in Explore can. "
                      "The nearest runs are shown.")  # fmt: skip
    if chosen is None and card is None:
        near = link.near(run_id, [card.id for card in zoo.students])
        link.complain(f"The link names the run {run_id[:90]!r}, which is not here; near it: {near}. "
                      "The nearest runs are shown.")  # fmt: skip
    if chosen is None:
        return
    if run_id in zoo.away:
        link.complain(f"Of the run {run_id[:90]!r} only the results are here, not its weights: maps are those of the "
                      f"nearest run. `python -m xkd_core distill --run {run_id[:130]}` trains it again.")  # fmt: skip
    wanted = {
        "lam": chosen.lam,
        "ratio": chosen.ratio,
        "beta": chosen.beta,
        **params_of(chosen.family),
        "seed": str(chosen.seed),
    }
    for name, value in wanted.items():
        if name not in st.query_params and name not in st.session_state:
            st.session_state[name] = value


def _shows(zoo: Zoo, choice: Choice, run_id: str) -> bool:
    return run_id in {pick.card.id for row in ROWS if (pick := zoo.pick(row, choice)) is not None}


def choose_image(zoo: Zoo, dataset: str, choice: Choice, *, upload: UInt8 | None) -> Order:
    """Previous and next in the gallery's order, and the image's number for the link."""
    if dataset == UPLOAD and upload is not None:
        from xkd_core.images.transforms import image_sha256

        return Order(key=ImageKey(dataset=UPLOAD, split=image_sha256(upload), index=0), found=Found(indices=(0,)))
    n = subjects.images_in(dataset)
    story = None if dataset in OUTSIDE else resources.story(dataset, zoo.default())
    start = 0 if story is None else story.index
    found = _found(zoo, dataset, choice, n)
    with st.container(horizontal=True, vertical_alignment="bottom", key="turn"):
        back = st.container(width="content")
        number = widgets.choose_image(n, start)
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


def headline(shown: Shown, *, talk: bool) -> str:
    """The sentence that says what to look at, and the numbers behind it; returns how often the same happens."""
    damaged(shown)
    key, found = shown.view.subject.key, _sentence(shown)
    note = OUTSIDE_NOTE if key.outside else _planted(shown, short=True) if talk else ""
    if found is not None:
        st.markdown(f"## {found.title}")
        if not talk:
            st.markdown(found.detail)
    if note:
        st.markdown(note)
    if found is None or key.outside or shown.scene.choice.pair is not None or "matched" not in shown.cards:
        return ""
    return found.often or "No stored image tells this story for these runs, so how often it happens is not shown."


def damaged(shown: Shown) -> None:
    """Name every run whose files cannot be used."""
    if shown.view.broken:
        st.error("  \n".join(shown.view.broken.values()))


def notes(shown: Shown, often: str) -> None:
    """Below the grid, in small letters: how often the same happens, and that the shortcut is planted."""
    parts = [part for part in (often, _planted(shown)) if part]
    if parts:
        st.caption("  \n".join(parts))


def _planted(shown: Shown, *, short: bool = False) -> str:
    planted = shown.view.subject.key.dataset == "scenes" and shown.scene.choice.family != NO_SHORTCUT
    return (PLANTED_SHORT if short else PLANTED) if planted else ""


def _sentence(shown: Shown) -> Headline | None:
    scene, key = shown.scene, shown.view.subject.key
    students = [card for row, card in shown.cards.items() if row != "teacher"]
    bar = None if key.outside else scene.bars.get("cam")
    if len(students) == 1:
        return of_one(shown.view, students[0].id, bar=bar, word=called(students[0]))
    if len(students) != 2:
        return None
    naive, matched = students
    if scene.choice.pair is not None:
        return beside_each_other(shown.view, naive, matched)
    story = None if key.outside else resources.story(key.dataset, scene.choice)
    return sentence(shown.view, naive.id, matched.id, bar=bar, story=story,
                    words=(called(naive), called(matched)))  # fmt: skip


def after(shown: Shown, order: Order) -> None:
    """Below the grid: take it away, all numbers, and more images."""
    takeaway.bar(shown, said=_said(shown))
    with st.expander("All numbers of this image"):
        takeaway.numbers(shown)
    with st.expander("What these networks are"):
        cards = list(shown.cards.values())
        tables.show(details.table(cards), alt=f"Sizes, training and notes of {len(cards)} networks")
    if order.key.dataset not in OUTSIDE or len(order.found.indices) > 1:
        _gallery(shown, order)


def _said(shown: Shown) -> Said:
    found, outside = _sentence(shown), shown.view.subject.key.outside
    notes = [OUTSIDE_NOTE if outside else "", "" if found is None else found.often, _planted(shown)]
    return Said(
        headline="" if found is None else found.title,
        detail="" if found is None else found.detail,
        notes=tuple(note for note in notes if note),
    )


def _found(zoo: Zoo, dataset: str, choice: Choice, n: int) -> Found:
    if dataset in OUTSIDE:
        return Found(indices=tuple(range(n)))
    classes = zoo.teacher.classes if zoo.teacher is not None else ()
    chosen = {name: _start(name, options) for name, (_, options) in _filters(classes, orders(zoo, choice)).items()}
    wish = Wish(
        target=classes.index(chosen["g_class"]) if chosen["g_class"] in classes else None,
        habitat=chosen["g_habitat"],
        outcome=chosen["g_outcome"],
        order=chosen["g_order"],
    )
    return resources.images(dataset, choice, wish, n)


def _filters(classes: tuple[str, ...], offered: Mapping[GalleryOrder, str]) -> Filters:
    return {
        "g_class": ("Class in the gallery", {"all": "All classes"} | {name: name for name in classes}),
        "g_outcome": ("Answer", dict(OUTCOMES)),
        "g_order": ("Order", dict(offered)),
        "g_habitat": ("Background", dict(HABITATS)),
    }


def _start(name: str, options: dict[str, str]) -> Any:
    """The filter's value, which the order of the images needs before the filter is drawn."""
    names = list(options)
    link.start(name, lambda text: text if text in options else None, names[0],
               problem=lambda text: widgets.unknown(name.removeprefix("g_"), text, names))  # fmt: skip
    link.first(name, names, names[0])
    link.write(name, st.session_state[name], names[0])
    return st.session_state[name]


def _gallery(shown: Shown, order: Order) -> None:
    dataset = order.key.dataset
    st.markdown("### More images")
    if dataset not in OUTSIDE:
        offered = orders(shown.scene.zoo, shown.scene.choice)
        _draw_filters(_filters(shown.view.subject.classes, offered), has_habitats=dataset == "scenes")
    if order.found.missing:
        st.info(order.found.missing)
    n = len(order.found.indices)
    if not n:
        st.info("No image fits these filters.")
        st.button("Show all images", on_click=_unfilter, key="g_reset")
        return
    whose = "students'" if len(next(iter(order.found.cosines), ())) > 1 else "student's"
    words = f", with the cosine of the {whose} CAM to the teacher's for its top-1 class" if order.found.cosines else ""
    st.caption(f"{n:,} {'image' if n == 1 else 'images'}{words}")
    pages = max(1, -(-n // PAGE_OF_GALLERY))
    page = 1 if pages == 1 else int(st.pagination(pages, key="g_page") or 1)
    place = slice((page - 1) * PAGE_OF_GALLERY, page * PAGE_OF_GALLERY)
    indices = order.found.indices[place]
    cosines = order.found.cosines[place] or ((),) * len(indices)
    links = resources.thumbnails(dataset, indices)
    names = ("naive", "matched") if shown.scene.choice.pair is None else ("first", "second")
    items = [
        {"index": index, "src": thumbnail, "alt": f"Image {index}", "current": index == order.key.index,
         "words": "\n".join(f"{name}: {_short(one)}" for name, one in zip(names, each, strict=False))}
        for index, thumbnail, each in zip(indices, links, cosines, strict=True)
    ]  # fmt: skip
    gallery.show(items, key="gallery", on_pick=_picked)


def _short(cosine: float) -> str:
    return "undefined" if cosine != cosine else f"cosine {cosine:.2f}"


def _draw_filters(filters: Filters, *, has_habitats: bool) -> None:
    shown = {name: each for name, each in filters.items() if has_habitats or name != "g_habitat"}
    for column, (name, (label, options)) in zip(st.columns(len(shown)), shown.items(), strict=True):
        names = list(options)
        widgets.select(name, label, names, names[0], titles=options, place=column)


def _unfilter() -> None:
    for name in ("g_class", "g_outcome", "g_habitat"):
        if name in st.session_state:
            st.session_state[name] = "all" if name == "g_class" else "any"


def _picked() -> None:
    index = st.session_state["gallery"].picked
    if isinstance(index, int):
        widgets.set_image(index)
