"""The command ``claims``: what the papers say, what comes out here, and why. Parsing and printing only."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from xkd_core import settings
from xkd_core.errors import BadInputError


def claims(
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for scripts.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="ids or patterns such as '004-*'; a,b,c or repeated")] = None,
    write: Annotated[bool, typer.Option("--write", help="also write checkpoints/evidence.json")] = False,
) -> None:
    """Judge the papers' claims by running code and from stored rows: holds, does not hold, not testable here.

    Nothing is trained or measured: where rows are missing, the command that makes them is named.
    """
    import torch

    torch.set_num_threads(settings.threads())
    from xkd_core.claims import report
    from xkd_core.claims.table import judge_all
    from xkd_core.evaluation.asked import words

    chosen = words(only)
    if write and chosen:
        raise BadInputError("--write keeps all claims together; leave --only out.")
    judged = judge_all(only=chosen)
    print(json.dumps(report.as_json(judged), ensure_ascii=False, indent=1) if as_json else
          report.table(judged, details=bool(chosen)))  # fmt: skip
    if write:
        path = report.write(judged)
        if not as_json:
            print(f"written to {path}")
