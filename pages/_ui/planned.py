"""Which runs the sweep files promise and the folder does not have, and how to make them."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from pages._ui import resources, tables
from xkd_core.serving.zoo import KIND_OF, KINDS, MATCHED, WIDTH

if TYPE_CHECKING:  # it imports torch
    from xkd_core.sweep.planned import Gap, Planned

METHODS = {"ce": "Labels only, as a teacher", "kd": "Naive: the teacher's answers", **MATCHED}


def draw(dataset: str) -> None:
    """A folded table, so that nobody takes an empty place of a chart for a result."""
    found = resources.planned(dataset)
    if found.problem:
        st.warning(found.problem)
    if not found.gaps:
        return
    with st.expander(f"{found.missing} of {found.total} planned runs are not trained yet"):
        tables.show(_table(found), alt="Planned runs that are missing")
        names = sorted({gap.file for gap in found.gaps})
        files = "\n".join(f"python -m xkd_core sweep run checkpoints/{dataset}/{name}" for name in names)
        st.caption("They are trained by the files beside the runs; what is finished is never repeated.")
        st.code(files, language="console")


def _table(found: Planned) -> pd.DataFrame:
    return pd.DataFrame([_row(gap) for gap in found.gaps])


def _row(gap: Gap) -> dict[str, object]:
    return {
        "Method": "As the run it is made from" if gap.compress == "int8" else METHODS.get(gap.method, gap.method),
        "Network": gap.arch,
        "Made small by": KINDS[KIND_OF.get(gap.compress, WIDTH)],
        "Width": ", ".join(str(Fraction(width).limit_denominator(64)) for width in gap.widths),
        "λ": ", ".join(f"{lam:g}" for lam in gap.lams),
        "Seeds": ", ".join(map(str, gap.seeds)),
        "Runs": gap.n,
        "File": gap.file,
    }
