"""What leaves the store: CSV and JSON with a codebook made from the tables themselves.

Never in it: tokens of participants, ids of recruiting platforms. Text that a spreadsheet would run as a formula is
marked with an apostrophe (OWASP, CSV injection).
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

import xkd_core
from xkd_core.files import write_atomic
from xkd_core.study.analysis.report import analyse
from xkd_core.study.store.database import Database
from xkd_core.study.store.frames import StudyData, read_data
from xkd_core.study.store.studies import Study, recruitment
from xkd_core.study.store.tables import Base

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")
_TABLES = {"trials": ("participant", "trial", "response", "item"), "participants": ("participant",), "items": ("item",)}
# Columns that no table has under this name, and one that means something else there.
_OWN = {
    "participant": "Random participant code",
    "item": "Item of the study, from 0",
    "students": "Place of the pair of students in the configuration; empty in practice and catch trials",
    "answer": "Judged alike: TM teacher and matched, TN teacher and naive, NM both students",
    "naive": "Run id of the naive student",
    "matched": "Run id of the matched student",
    "ratio": "Teacher parameters / student parameters of the pair",
    "lam": "λ of the pair of students",
    "kind": "main, practice, catch or repeat; an item is main, practice or catch",
    "excluded": "Why the participant does not count, by the rules of the configuration; empty: counts",
}

README = """\
# {title}

Study `{label}`, exported {at} (UTC) by XKD Explorer {version}. Configuration sha256: `{sha256}`.

- `trials.csv`: one row per drawn trial, with its answer where there is one
- `participants.csv`, `items.csv`: who took part, what was shown
- `study.json`: the same tables, the configuration and the recruitment as JSON
- `analysis.json`: shares, the primary test, exclusions, agreement, metrics, at the time of the export
- `codebook.csv`: every column of every table: type, values, meaning

Likeness to the teacher's map is not faithfulness: people say which pictures look alike, not which are right.
Text that begins like a formula is marked with an apostrophe in the CSV files; `study.json` holds it as it was given.
"""


def export_files(database: Database, study: Study, *, seed: int = 0) -> dict[str, bytes]:
    """File name -> bytes of the whole export, read in one transaction."""
    data = read_data(database, study)
    report = analyse(data, seed=seed)
    reasons = {one.participant: "; ".join(one.reasons) for one in report.excluded}
    tables = {
        "trials": data.trials,
        "participants": data.participants.assign(excluded=data.participants["participant"].map(reasons)),
        "items": data.items,
    }
    files = {f"{name}.csv": to_csv(frame) for name, frame in tables.items()}
    files["codebook.csv"] = to_csv(codebook(tables))
    files["analysis.json"] = _json(report.to_dict())
    files["study.json"] = _json(_document(database, data, tables))
    files["README.md"] = _readme(study).encode()
    return files


def export_zip(database: Database, study: Study, *, seed: int = 0) -> bytes:
    """The export as one file, for a download."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in export_files(database, study, seed=seed).items():
            archive.writestr(f"{study.label}/{name}", data)
    return buffer.getvalue()


def write_export(database: Database, study: Study, folder: Path, *, seed: int = 0) -> tuple[Path, ...]:
    """Write the export into ``folder``, each file whole or not at all."""
    paths = []
    for name, data in export_files(database, study, seed=seed).items():
        write_atomic(folder / name, data)
        paths.append(folder / name)
    return tuple(paths)


def codebook(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row per column: table, column, type, values, meaning; types and meanings come from the database's tables.

    Errors: KeyError for a column that nothing describes, so that none can be exported without its meaning.
    """
    rows = []
    for name, frame in tables.items():
        described = {column.name: column for table in _TABLES[name] for column in Base.metadata.tables[table].columns}
        for column in map(str, frame.columns):
            meaning = _OWN.get(column) or str(described[column].comment)
            kind = "text" if column not in described else described[column].type.python_type.__name__
            rows.append((name, column, _type(frame[column], kind), _values(frame[column]), meaning))
    return pd.DataFrame(rows, columns=["table", "column", "type", "values", "meaning"])


def to_csv(frame: pd.DataFrame) -> bytes:
    """CSV in UTF-8; JSON in cells of dictionaries, and no cell that a spreadsheet would run."""
    # A column of counts where one is missing is of floats in pandas: 1500.0 would be a strange number of milliseconds.
    counts = {name: "Int64" for name in frame.select_dtypes("float") if _is_whole(frame[name])}
    safe = frame.astype(counts).map(guarded).rename(columns=guarded)
    return bytes(safe.to_csv(index=False, lineterminator="\r\n").encode())


def guarded(value: Any) -> Any:
    """Text that begins like a formula gets an apostrophe; numbers stay numbers, also negative ones."""
    if isinstance(value, Mapping):
        value = json.dumps(value, sort_keys=True, ensure_ascii=False)
    if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA):
        return f"'{value}"
    return value


def _document(database: Database, data: StudyData, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    study, found = data.study, recruitment(database, data.study)
    return {
        "study": study.label,
        "status": study.status,
        "created_at": study.created_at,
        "opened_at": study.opened_at,
        "closed_at": study.closed_at,
        "program": f"XKD Explorer {xkd_core.__version__}",
        "config_sha256": study.config_sha256,
        "config": study.config.model_dump(mode="json"),
        "recruitment": {"planned": found.planned, "arrived": found.arrived, "stages": dict(found.stages),
                        "withdrawn": found.withdrawn, "deleted": found.deleted},
        **{name: _records(frame) for name, frame in tables.items()},
    }  # fmt: skip


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(key): _whole(value) for key, value in row.items()} for row in plain.to_dict("records")]


def _is_whole(column: pd.Series) -> bool:
    return bool((column.dropna() % 1 == 0).all())


def _whole(value: Any) -> Any:
    """A count that pandas holds as a float, because a neighbour is missing, is a count again."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _json(document: Any) -> bytes:
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False, default=_text).encode()


def _text(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value.item() if hasattr(value, "item") else str(value)


def _type(column: pd.Series, declared: str) -> str:
    known = {"int": "whole number", "str": "text", "bool": "true or false", "datetime": "time (UTC, ISO 8601)",
             "dict": "JSON"}  # fmt: skip
    return "number" if pd.api.types.is_float_dtype(column) and declared == "text" else known.get(declared, declared)


def _values(column: pd.Series) -> str:
    """The values that occur, where they are few words; else the range of numbers."""
    present = column.dropna()
    if present.empty:
        return "none"
    if pd.api.types.is_numeric_dtype(present) and not pd.api.types.is_bool_dtype(present):
        return f"{present.min():g} to {present.max():g}"
    words = sorted({str(value) for value in present})
    return ", ".join(words) if len(words) <= 12 and max(map(len, words)) <= 40 else f"{len(words)} different"


def _readme(study: Study) -> str:
    at = pd.Timestamp.now(tz="UTC").strftime("%Y-%m-%d %H:%M")
    return README.format(
        title=study.config.title, label=study.label, at=at, version=xkd_core.__version__, sha256=study.config_sha256
    )
