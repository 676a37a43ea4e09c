"""One small zoo of real, briefly trained runs, and the wide rows of its student, for all tests of this folder."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.evaluation.wide_zoo import EXPLAINERS, N, Zoo, make
from xkd_core.evaluation.wide import Order, evaluate_metrics
from xkd_core.results.metric_store import read_run


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XKD_HOME", str(tmp_path_factory.mktemp("home")))
        yield make(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def stored(zoo: Zoo) -> pd.DataFrame:
    asked = ("all", "sign_agreement@teacher")
    order = Order(dataset="digits", explainers=EXPLAINERS, metrics=asked, runs=[zoo.student.id], images=N)
    report = evaluate_metrics(order, root=zoo.root)
    assert not report.failed and report.pieces
    return read_run("digits", zoo.student.id, root=zoo.root)
