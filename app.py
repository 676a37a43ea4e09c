"""XKD Explorer: navigation only. Start with ``streamlit run app.py``."""

from __future__ import annotations

import streamlit as st

from pages._ui import guard
from xkd_core.study.environment import admin_is_configured

PAGES = guard.allowed({
    "pages/explore.py": st.Page("pages/explore.py", title="Explore", url_path="start", default=True),
    "pages/compression.py": st.Page("pages/compression.py", title="Compression"),
    "pages/metrics.py": st.Page("pages/metrics.py", title="Metrics"),
    "pages/sanity.py": st.Page("pages/sanity.py", title="Sanity"),
    "pages/evidence.py": st.Page("pages/evidence.py", title="Evidence"),
    "pages/glossary.py": st.Page("pages/glossary.py", title="Glossary"),
    "pages/study_admin.py": st.Page("pages/study_admin.py", title="Studies",
                                    visibility="visible" if admin_is_configured() else "hidden"),
    "pages/study.py": st.Page("pages/study.py", title="Study", visibility="hidden"),
})  # fmt: skip
ONLY_STUDY = "pages/explore.py" not in PAGES

STYLE = """<style>
[data-testid="stMainBlockContainer"] { padding: 3.75rem clamp(1rem, 3vw, 3rem) 4rem; max-width: 100rem; }
[data-testid="stMainBlockContainer"] h2 { padding: 0 0 0.25rem; font-size: 1.5rem; line-height: 1.2; }
[data-testid="stMainBlockContainer"] h3 { font-size: 1.25rem; line-height: 1.25; }
/* Streamlit writes white on the dark theme's light primary colour, which nobody can read. */
button[kind^="primary"], a[kind^="primary"] { color: light-dark(#ffffff, #12171b); }
@media (max-width: 40rem) {
  [data-testid="stMainBlockContainer"] h2 { font-size: 1.15rem; }
  [data-testid="stMainBlockContainer"] h3 { font-size: 1.05rem; }
}
</style>"""

st.set_page_config(page_title="Study" if ONLY_STUDY else "XKD Explorer", page_icon="🔎", layout="wide")
st.html(STYLE)
guard.enter(st.navigation(list(PAGES.values()), position="hidden" if ONLY_STUDY else "top"), PAGES)
