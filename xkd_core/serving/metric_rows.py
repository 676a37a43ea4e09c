"""All stored numbers of a data set as one table: the wide rows, and what only the rows of the other pages know."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from xkd_core import settings
from xkd_core.catalogue import INSTEAD, METRICS
from xkd_core.results.metric_store import ANSWERS, FACTS, done, merge_cells, place, reasons_text
from xkd_core.results.metrics import Metrics, read_metrics
from xkd_core.results.store import results_dir
from xkd_core.serving.results import Results

MORE = ("cosine_shuffled", "area")
OF_ANSWERS = ("same_answer", "right")


def stamp(dataset: str, *, root: Path | None = None) -> str:
    """Changes when a table of metrics is written, removed or replaced; cheap enough for each page run."""
    root = settings.checkpoints_dir() if root is None else root
    files = sorted((results_dir(dataset, root) / "metrics").glob("*/*.parquet"))
    return repr([(path.name, status.st_mtime_ns, status.st_size) for path in files if (status := path.stat())])


def all_metrics(results: Results, *, root: Path | None = None) -> Metrics:
    """The wide rows, what ``results`` has beyond them, and for runs without CAM what stands in for it.

    A damaged file becomes the ``problem``, never an error.
    """
    return with_stand_ins(with_page_rows(read_metrics(results.dataset, root=root), results))


def with_page_rows(metrics: Metrics, results: Results) -> Metrics:
    """``metrics`` with the rows of the other pages for every cell of which it has neither a value nor a reason."""
    if metrics.problem or results.problem:
        return replace(metrics, problem=metrics.problem or results.problem)
    wide = {} if metrics.rows.empty else dict(list(metrics.rows.groupby(["run_id", "explainer"], observed=True)))
    fresh, merged = [], {}
    for rows in (_maps(results), _answers(results)):
        for pair, own in [] if rows.empty else rows.groupby(["run_id", "explainer"], observed=True):
            if pair not in wide:
                fresh.append(own)
            elif more := _unknown(own, wide[pair]):
                merged[pair] = merge_cells([*more, wide[pair].drop(columns="run_id")]).assign(run_id=str(pair[0]))
    frames = [*({**wide, **merged}).values(), *_with_reasons(fresh)]
    return replace(metrics, rows=_in_order(pd.concat(frames, ignore_index=True)) if frames else pd.DataFrame())


def with_stand_ins(metrics: Metrics) -> Metrics:
    """For every run without an explainer that other runs have: the rows of what stands in, noted in ``instead``."""
    rows, frames, instead = metrics.rows, [metrics.rows], set()
    for name, other in INSTEAD.items() if len(rows) else ():
        having = set(rows.loc[rows["explainer"] == name, "run_id"])
        more = rows[(rows["explainer"] == other) & ~rows["run_id"].isin(having)] if having else rows.iloc[:0]
        frames += [more.assign(explainer=name)] if len(more) else []
        instead |= {(str(run), name) for run in more["run_id"].unique()}
    found = pd.concat(frames, ignore_index=True) if instead else rows
    return replace(metrics, rows=found, instead=frozenset(instead))


def _in_order(rows: pd.DataFrame) -> pd.DataFrame:
    facts = [name for name in ("run_id", *FACTS) if name in rows]
    return rows[[*facts, *sorted((str(name) for name in rows if name not in facts), key=place)]]


def _unknown(own: pd.DataFrame, wide: pd.DataFrame) -> list[pd.DataFrame]:
    """What one run and explainer has beyond its wide rows: cells of which they have neither a value nor a reason.

    Only of the class that they explain. Shuffled controls are left as they are: the other pages' rows have other
    partners (half the split away; here the next image of the sample), and a mean over both would be of neither.
    """
    targets = own["index"].map(dict(zip(wide["index"], wide["target"], strict=True)))
    own = own[targets.isna() | (targets == own["target"]) | (own["target"] < 0)]
    mixed = [name for name in MORE if name.endswith("_shuffled") and name in wide and wide[name].notna().any()]
    names = [name for name in _values(own) if name not in mixed]
    known = done(wide, str(own["explainer"].iloc[0]), own["index"], names)
    found = []
    for pattern in np.unique(known, axis=0):  # which of the names an image has: few of them
        left = [name for name, has in zip(names, pattern, strict=True) if not has]
        rows = own.loc[(known == pattern).all(axis=1), ["explainer", "index", "target", *left, "undefined"]]
        found += [_explained(rows, left)] if left else []
    return found


def _with_reasons(parts: list[pd.DataFrame]) -> list[pd.DataFrame]:
    if not parts:
        return []
    rows = pd.concat(parts, ignore_index=True)
    names = _values(rows)
    # A metric of answers is not undefined for a map, nor one of maps for the answers.
    halves = [own for _, own in rows.groupby(rows["explainer"] == ANSWERS)]
    return [_explained(own, _own(own, names)) for own in halves]


def _values(rows: pd.DataFrame) -> list[str]:
    return [str(name) for name in rows if name not in ("run_id", *FACTS)]


def _own(rows: pd.DataFrame, names: list[str]) -> list[str]:
    return [name for name in names if rows[name].notna().any()]


def _maps(results: Results) -> pd.DataFrame:
    rows = results.maps
    if rows.empty:
        return rows
    names = [name for name in (*METRICS, *MORE) if name in rows and rows[name].notna().any()]
    found = rows[["run_id", "explainer", "index", *names]].astype(dict.fromkeys(names, np.float64))
    why = rows["undefined"] if "undefined" in rows else pd.Series([None] * len(rows), index=rows.index)
    return found.assign(undefined=why, target=_targets(rows, results.answers))


def _answers(results: Results) -> pd.DataFrame:
    rows = results.answers
    if rows.empty:
        return rows
    names = [name for name in OF_ANSWERS if name in rows]
    found = rows[["run_id", "index", "target", *names]].astype(dict.fromkeys(names, np.float64))
    return found.assign(explainer=ANSWERS, undefined=None)


def _targets(rows: pd.DataFrame, answers: pd.DataFrame) -> pd.Series[int]:
    """The class that each row explains; -1 where the answers do not know the image."""
    if answers.empty:
        return pd.Series(-1, index=rows.index)
    known = answers.drop_duplicates("index").set_index("index")["target"]
    return rows["index"].map(known).fillna(-1).astype(int)


def _explained(rows: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Rows with the reasons of what ``names`` have no value for: the row's own words, or else the catalogue's."""
    gaps = rows[names].isna().to_numpy()
    found: dict[tuple[bytes, str], str | None] = {}
    texts: list[str | None] = [None] * len(rows)
    undefined = rows["undefined"].to_numpy()
    for row in np.flatnonzero(gaps.any(axis=1)):
        gap, words = gaps[row], undefined[row]
        key = (gap.tobytes(), words if isinstance(words, str) else "")
        if key not in found:
            found[key] = _text([name for name, gone in zip(names, gap, strict=True) if gone], key[1])
        texts[row] = found[key]
    return rows.assign(undefined=pd.Series(texts, index=rows.index, dtype=object))


def _text(names: list[str], words: str) -> str | None:
    return reasons_text({name: words or METRICS[_plain(name)].undefined for name in names})


def _plain(name: str) -> str:
    """The metric whose undefined values a further column shares."""
    return {"cosine_shuffled": "cosine", "area": "pointing"}.get(name, name)
