"""Read what a page under AppTest sent to the viewer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from streamlit.testing.v1 import AppTest


def payload(app: AppTest) -> dict:
    """What the viewer of the page was given."""
    nodes = [node for node in app.get("bidi_component") if "xkd_viewer" in node.proto.component_name]
    assert nodes, "the page shows no viewer"
    proto = nodes[0].proto
    return json.loads(proto.json or proto.mixed.json)


def words(app: AppTest) -> str:
    """All text of a page, messages with it."""
    parts = [*app.markdown, *app.caption, *app.info, *app.warning, *app.error]
    return "\n".join(str(part.value) for part in parts)


def settled(app: AppTest) -> AppTest:
    """Run again until the maps that are computed beside the page have come."""
    for _ in range(60):
        data = payload(app)
        names = [column["method"] for column in data["layout"]["columns"]]
        shown = [data["where"][row["role"]] for row in data["layout"]["rows"]]
        at = tuple(data["axes"][name].index(data["choice"][name]) for name in ("lam", "ratio", "beta"))
        cells = [data["runs"][table[at[0]][at[1]][at[2]][0]]["cells"] for table in shown]
        if all(cell.get(name) for cell in cells for name in names):
            return app
        time.sleep(0.5)
        app.run()
    raise AssertionError("some maps never came")


def waited(app: AppTest, key: str) -> AppTest:
    """Run again until the chart of a job has come."""
    return until(app, lambda: any(chart.key == key for chart in app.get("plotly_chart")), key)


def until(app: AppTest, come: Callable[[], bool], name: str) -> AppTest:
    """Run again until something is on the page."""
    for _ in range(120):
        if come():
            return app
        time.sleep(0.5)
        app.run()
    raise AssertionError(f"{name} never came")
