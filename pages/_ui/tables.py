"""Tables of numbers: four digits that count, an empty cell where there is no value."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st


def show(rows: pd.DataFrame, *, alt: str, **more: Any) -> None:
    """A sortable table without row numbers. more: as of st.dataframe."""
    floats = {name: "{:.4g}" for name in rows.select_dtypes("floating").columns}
    st.dataframe(rows.style.format(floats, na_rep=""), hide_index=True, alt=alt, **more)
