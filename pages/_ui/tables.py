"""Tables of numbers: four digits that count, an empty cell where there is no value."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st


def show(rows: pd.DataFrame, *, alt: str, **more: Any) -> None:
    """A sortable table without row numbers. more: as of st.dataframe."""
    numbers = {name: st.column_config.NumberColumn(format="%.4g") for name in rows.select_dtypes("floating").columns}
    columns = {**numbers, **more.pop("column_config", {})}
    st.dataframe(rows, hide_index=True, alt=alt, column_config=columns, placeholder="", **more)
