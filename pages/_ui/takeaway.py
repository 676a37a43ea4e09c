"""Below the maps: the link, downloads, Python that makes the maps again, and the table of all numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlencode, urlsplit, urlunsplit

import pandas as pd
import streamlit as st

from pages._ui import link, tables
from pages._ui.screen import Shown
from pages._ui.viewer.look import Look
from xkd_core import catalogue
from xkd_core.serving import exports, figure
from xkd_core.serving.report import Said, report
from xkd_core.serving.subjects import UPLOAD
from xkd_core.serving.zoo import params_of

FILTERS = ("g_class", "g_outcome", "g_order", "g_habitat")


def bar(shown: Shown, *, more: Mapping[str, pd.DataFrame] | None = None, said: Said | None = None) -> None:
    """Three small menus in a row. more: more tables to download, by title. said: the page's words, for the report."""
    with st.container(horizontal=True, key="takeaway"):
        with st.popover("Link to this view"):
            _link(shown)
        with st.popover("Download"):
            _downloads(shown, more or {}, said or Said())
        with st.popover("Copy as Python"):
            st.code(exports.snippet(shown.view, shown.sheet), language="python")


def numbers(shown: Shown) -> None:
    """Every metric of every map on screen, undefined ones empty."""
    table = exports.table(shown.view, shown.sheet)
    tables.show(table, alt="All metrics of the maps on screen")
    st.caption("Empty: undefined or not measurable here. The glossary says when and why.")


def params(shown: Shown) -> dict[str, str]:
    """Everything that decides the view, in full: a link that stays true when a default changes."""
    scene, key = shown.scene, shown.view.subject.key
    found = {
        "data": key.dataset,
        "image": str(key.index),
        "lam": f"{scene.choice.lam:.3g}",
        "ratio": f"{scene.choice.ratio:.3g}",
        "beta": f"{scene.choice.beta:.3g}",
        **params_of(scene.choice.family),
        "seed": str(scene.choice.seed),
        "view": scene.look.text,
    }
    if scene.film is None:
        found |= {"maps": ",".join(scene.explainers), "target": str(st.session_state.get("target", "teacher"))}
        found |= {name: value for name in FILTERS if (value := link.kept(name))}
    else:
        found["map"] = scene.film
    found |= {"plain": "1"} if st.session_state.get("plain") else {}
    if scene.choice.pair is not None:
        return found | {"pair": "1", "left": scene.choice.pair[0], "right": scene.choice.pair[1]}
    return found | ({"run": shown.cards["matched"].id} if "matched" in shown.cards else {})


def keep_link(shown: Shown) -> None:
    """What no widget holds but belongs to the view goes into the address: how it is drawn, and the run on screen.

    A filmstrip has many runs; there the sliders say which.
    """
    look = shown.scene.look
    if shown.scene.film is None:
        link.put("run", params(shown).get("run"))
    link.put("view", None if look == Look() else look.text)


def _link(shown: Shown) -> None:
    if shown.view.subject.key.dataset == UPLOAD:
        st.caption("Your own image is not stored anywhere, so no link can show it.")
        return
    st.code(_address(shown), language=None, wrap_lines=True)


def _address(shown: Shown) -> str:
    """The view's full address; "" for an upload, which is not stored."""
    if shown.view.subject.key.dataset == UPLOAD:
        return ""
    place = urlsplit(st.context.url or "http://localhost:8501/")
    several = [(name, part) for name, value in params(shown).items() if name == "maps" for part in value.split(",")]
    query = urlencode([pair for pair in params(shown).items() if pair[0] != "maps"] + several)
    return urlunsplit((place.scheme, place.netloc, place.path, query, ""))


def _downloads(shown: Shown, more: Mapping[str, pd.DataFrame], said: Said) -> None:
    scene, view, sheet = shown.scene, shown.view, shown.sheet
    name = view.subject.key.spec.replace(":", "-")[:40]

    def page() -> figure.Page:
        return figure.compose(view, sheet, scene.look.drawing)

    _button("Figure (PNG)", lambda: figure.to_png(page()), f"{name}.png", "image/png")
    _button("Figure (SVG)", lambda: figure.to_svg(page()), f"{name}.svg", "image/svg+xml")
    said = replace(said, link=_address(shown))
    _button("Report (HTML)", lambda: report(view, sheet, scene.look.drawing, said, tables=more), f"{name}.html",
            "text/html")  # fmt: skip
    for title, table in {"Numbers": exports.table(view, sheet), **more}.items():
        file = name if title == "Numbers" else title.lower().replace(" ", "-")
        _button(f"{title} (CSV)", lambda table=table: exports.csv(table), f"{file}.csv", "text/csv")
    for one in sheet.explainers:
        words = f"Raw maps, {catalogue.get('explainer', one).title} (NPY)"
        _button(words, lambda one=one: exports.npy(view, sheet, one), f"{name}-{one}.npy", "application/octet-stream")


def _button(label: str, make: object, name: str, kind: str) -> None:
    st.download_button(label, make, name, kind, on_click="ignore", type="tertiary")  # type: ignore[arg-type]
