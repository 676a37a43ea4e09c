"""XKD Explorer: navigation only. Start with ``streamlit run app.py``."""

from __future__ import annotations

import streamlit as st

from pages._ui import guard

PAGES = {
    "pages/explore.py": st.Page("pages/explore.py", title="Explore", default=True),
    "pages/compression.py": st.Page("pages/compression.py", title="Compression"),
    "pages/glossary.py": st.Page("pages/glossary.py", title="Glossary"),
}

st.set_page_config(page_title="XKD Explorer", page_icon="🔎", layout="wide")
guard.enter(st.navigation(list(PAGES.values()), position="top"), PAGES)
