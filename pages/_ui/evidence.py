"""The evidence page's claims: judged once for the rows on the disk, and drawn."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from xkd_core.claims.base import VERDICTS, Claim, Finding, Number
from xkd_core.claims.report import as_json, evidence
from xkd_core.claims.stored import stamp
from xkd_core.claims.table import Judged

SLUGS = dict(zip(VERDICTS, ("holds", "fails", "untested"), strict=True))
"""Verdict -> its word in the link."""
SIGNS = dict(zip(VERDICTS, (("✓", "green"), ("✗", "red"), ("–", "gray")), strict=True))
PAGES = {"pages/compression.py": "Look at it on the Compression page", "pages/study_admin.py": "Set up a study"}
WIDTHS = {" ": 40, "Claim": 310, "Verdict": 300, "Paper": 80, "Tested": 340, "Here": 320}
"""Of the overview's columns, in px: sign and claim in sight on a phone, what is tested on a laptop."""
PASSES = {True: "yes", False: "no", None: ""}


def judged() -> tuple[Judged, ...]:
    """Every claim as `python -m xkd_core claims` judges it from what is on the disk now."""
    return _judged(stamp())


@st.cache_resource(max_entries=2, show_spinner="Judging the claims from the stored rows ...")
def _judged(seen: str) -> tuple[Judged, ...]:
    return evidence()


def overview(found: Sequence[Judged]) -> None:
    """All claims as one table; a row that is chosen is shown whole below it."""
    frame = pd.DataFrame({
        " ": [SIGNS[one.finding.verdict][0] for one in found],
        "Claim": [one.claim.says for one in found],
        "Verdict": [one.finding.full for one in found],
        "Paper": [f"{one.claim.paper}, ours" if one.claim.ours else one.claim.paper for one in found],
        "Tested": [one.claim.test for one in found],
        "Here": [_in_short(one.finding) for one in found],
        "Printed": [one.claim.printed for one in found],
        "Id": [one.claim.id for one in found],
    })  # fmt: skip
    st.caption("Choose a row for the numbers, the reason and the command, or a paper for all of its claims.")
    widths = {name: st.column_config.Column(width=width) for name, width in WIDTHS.items()}
    event = st.dataframe(frame, hide_index=True, on_select="rerun", selection_mode="single-row", key="claim_row",
                         height=560, column_config=widths)  # fmt: skip
    for row in event["selection"]["rows"]:
        if row < len(found):
            draw(found[row])


def _in_short(finding: Finding) -> str:
    """The first number and how many more there are, or why there is none."""
    if not finding.numbers:
        return finding.reason
    more = f", and {len(finding.numbers) - 1} more" if len(finding.numbers) > 1 else ""
    return f"{finding.numbers[0]}{more}"


def download(found: Sequence[Judged]) -> None:
    """All that is shown as one JSON file, as `claims --json` prints it."""
    text = json.dumps(as_json(found), ensure_ascii=False, indent=1)
    st.download_button("Download as JSON", text, "claims.json", "application/json")


def draw(one: Judged) -> None:
    """A box: the claim, the paper's number, ours, the verdict with its reason, and the command."""
    claim, finding = one.claim, one.finding
    with st.container(border=True):
        sign, colour = SIGNS[finding.verdict]
        notes = [finding.note] * bool(finding.note) + ["a question of ours"] * claim.ours
        note = "".join(f" :gray-badge[{one}]" for one in notes)
        st.markdown(f":{colour}-badge[{sign} {finding.words}]{note} **{claim.says}** `{claim.id}`")
        theirs, ours = st.columns([2, 3], gap="medium")
        theirs.markdown(_theirs(claim))
        ours.markdown(_ours(finding))
        st.code(finding.command, language="bash", wrap_lines=True)
        if claim.page in PAGES and finding.numbers:
            st.page_link(claim.page, label=PAGES[claim.page], query_params=dict(claim.query))


def _theirs(claim: Claim) -> str:
    how = "by running code" if claim.kind == "code" else "from stored rows of trained runs"
    return f"**The paper** ({claim.place}): {claim.printed}.\n\n**Tested** {how}: {claim.test}"


def _ours(finding: Finding) -> str:
    return "\n\n".join(part for part in (_numbers(finding.numbers), f"**Because:** {finding.reason}") if part)


def _numbers(numbers: Sequence[Number]) -> str:
    """A Markdown table; columns that no number fills are left out."""
    if not numbers:
        return ""
    columns = {
        "Here": [one.label for one in numbers],
        "Value, 95 % interval": [one.text for one in numbers],
        "n": [_images(one) for one in numbers],
        "Seeds": [str(one.seeds) if one.seeds else "" for one in numbers],
        "As claimed": [PASSES[one.passes] for one in numbers],
    }
    shown = {name: cells for name, cells in columns.items() if any(cells)}
    rows = zip(*shown.values(), strict=True)
    lines = [" | ".join(shown), "|".join(["---"] * len(shown)), *(" | ".join(_escaped(row)) for row in rows)]
    return "\n".join(f"| {line} |" for line in lines)


def _images(one: Number) -> str:
    """'2,000', '960, 40 undefined', or nothing where no image entered."""
    return ", ".join([f"{one.n:,}"] * (one.n > 0) + [f"{one.undefined:,} undefined"] * (one.undefined > 0))


def _escaped(row: Sequence[str]) -> list[str]:
    return [cell.replace("|", "\\|") for cell in row]
