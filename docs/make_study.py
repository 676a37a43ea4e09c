"""What the user study's primary test can and cannot do, from simulated studies: ``python -m docs.make_study``.

Every line is what ``python -m xkd_core study simulate`` prints for the same numbers; it takes about a minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from xkd_core.study.analysis.clusters import Clustered, clustered_mean, crossed
from xkd_core.study.analysis.proportions import Share, wilson
from xkd_core.study.presets import PRESETS
from xkd_core.study.simulation import ITEM_SD, PERSON_SD, Design, Truth, expected_share, power, simulate

HERE = Path(__file__).parent
NULL_STUDIES, STUDIES, BINOMIAL_STUDIES = 2000, 500, 500
NULL = Truth(matched=1 / 3, naive=1 / 3)
EFFECTS = (0.36, 0.40, 0.45)
HEAD = f"""# What the primary test of a user study can do

Written by `python -m docs.make_study`. Answers are drawn from people and images that differ: the log odds of "teacher
and matched" against "teacher and naive" have a standard deviation of {PERSON_SD} over people and {ITEM_SD} over images.
The test is the one of *Studies* and of the export: the share of "teacher and matched" among the answers that pair the
teacher with a student, against one half, with people and images as crossed clusters, two-sided at 5 %.
"""
FALSE = """## How often it claims an effect where there is none

{studies:,} studies each; 5 % is meant, 3 to 7 % is what we accept. The last column is what a test that takes all
answers for independent does in {binomial:,} such studies: it is why *Studies* has no such test.

{table}

The same line by hand, e.g. for the recommended design:

```bash
{command}
```
"""
POWER = """## How often it finds an effect that is there, and what it then says

{studies:,} studies each. "True share" is the share of matched among the answers that pair the teacher, over all people
and images; beside it the mean of what the studies found, and how often their 95 % intervals hold the truth.

{table}

Before a study starts, *Studies* simulates this for its own numbers, and so does `python -m xkd_core study simulate`.
"""
DRILLS = """## Drills

They run small with the tests and large by hand; each prints what it counted and how long answers took.

```bash
XKD_DRILL_SERVER_KILLS=200 pytest tests/study/test_study_kill.py -s                            # kill -9 of the server
XKD_DRILL_SOCKETS=50 XKD_DRILL_THINK_S=10 pytest tests/study/test_study_socket.py -k at_once -s  # through the WebSocket
XKD_DRILL_PEOPLE=200 XKD_DRILL_THINK_S=10 pytest tests/study/test_study_drill.py -s            # SQLite, PostgreSQL
```
"""


def main() -> None:
    """Write docs/study.md."""
    command = command_of(designs()["recommended"], "--null", NULL_STUDIES)
    blocks = [
        HEAD,
        FALSE.format(studies=NULL_STUDIES, binomial=BINOMIAL_STUDIES, table=_false_alarms(), command=command),
        POWER.format(studies=STUDIES, table=_effects()),
        DRILLS,
    ]
    (HERE / "study.md").write_text("\n".join(block.strip() + "\n" for block in blocks))


def designs() -> dict[str, Design]:
    """Name -> design: the two presets, and a small one."""
    found = {
        name: Design(participants=one.fields["participants"], trials=one.fields["trials"],
                     items=one.fields["selection"]["n_images"])
        for name, one in PRESETS.items()
    }  # fmt: skip
    return found | {"small": Design(participants=12, trials=20, items=40)}


def command_of(design: Design, effect: str, studies: int) -> str:
    """The command that prints the same numbers."""
    return (
        f"python -m xkd_core study simulate {effect} --participants {design.participants} --trials {design.trials} "
        f"--items {design.items} --studies {studies}"
    )


def false_alarms(design: Design) -> Share:
    """How often the primary test claims an effect that is not there."""
    return power(design, NULL, studies=NULL_STUDIES).rejected


def _false_alarms() -> str:
    rows = [
        (name, *_numbers(design), _percent(false_alarms(design)), _percent(_binomial(design)))
        for name, design in designs().items()
    ]
    return _table(("design", "people", "trials", "images", "primary test", "answers taken for independent"), rows)


def _effects() -> str:
    rows = [
        (name, *_numbers(design), f"{effect:.0%}", *_found(design, Truth(matched=effect, naive=(1 - effect) / 2)))
        for name, design in designs().items() for effect in EFFECTS
    ]  # fmt: skip
    head = ("design", "people", "trials", "images", "teacher and matched", "power", "true share", "found", "covered")
    return _table(head, rows)


def _found(design: Design, truth: Truth) -> Sequence[str]:
    tests = [_test(design, truth, seed) for seed in range(STUDIES)]
    expected = expected_share(truth)
    covered = wilson(sum(one.low <= expected <= one.high for one in tests), STUDIES)
    mean = float(np.mean([one.mean for one in tests]))
    return _percent(power(design, truth, studies=STUDIES).rejected), f"{expected:.3f}", f"{mean:.3f}", _percent(covered)


def _test(design: Design, truth: Truth, seed: int) -> Clustered:
    answers = simulate(design, truth, seed=seed)
    paired = answers[answers["answer"] != "NM"]
    return clustered_mean(crossed(paired["answer"] == "TM", paired["participant"], paired["item"]))


def _binomial(design: Design) -> Share:
    rejected = 0
    for seed in range(BINOMIAL_STUDIES):
        answers = simulate(design, NULL, seed=seed)["answer"]
        rejected += binomtest(int((answers == "TM").sum()), int((answers != "NM").sum()), 0.5).pvalue < 0.05
    return wilson(rejected, BINOMIAL_STUDIES)


def _numbers(design: Design) -> Sequence[str]:
    return str(design.participants), str(design.trials), str(design.items)


def _percent(share: Share) -> str:
    return f"{share.share:.1%} [{share.low:.1%}, {share.high:.1%}]"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
