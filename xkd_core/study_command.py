"""``python -m xkd_core study ...``: parsing and printing only; the work is in `xkd_core.study` and `serving`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xkd_core.errors import BadInputError

if TYPE_CHECKING:
    from xkd_core.study.store.database import Database

study = typer.Typer(no_args_is_help=True, help="User studies: set up, list, export, delete, simulate.")

StudyName = Annotated[str, typer.Argument(help="id, name or name-vN, see `study list`")]
Runs = Annotated[list[str] | None, typer.Option(help="run ids, see `runs`; one for each pair of students")]


@study.command()
def create(
    name: Annotated[str, typer.Option(help="small letters, digits and dashes; a known name gets the next version")],
    contact: Annotated[str, typer.Option(help="who answers participants, e.g. an email address")],
    preset: Annotated[str, typer.Option(help="recommended or paper-003")] = "recommended",
    dataset: Annotated[str | None, typer.Option(help="default: the one of --config, or scenes")] = None,
    naive: Runs = None,
    matched: Runs = None,
    config: Annotated[Path | None, typer.Option(help="JSON with other fields, e.g. an exported configuration")] = None,
    begin: Annotated[bool, typer.Option("--open", help="let participants in at once")] = False,
) -> None:
    """Set up a study: draw images and pictures, store it as a draft, print its id."""
    from xkd_core.serving.study_stimuli import candidates, maps_of, strata
    from xkd_core.study.build import create_study
    from xkd_core.study.presets import preset as preset_of
    from xkd_core.study.store.studies import open_study

    fields = _fields(config)
    images = str(dataset or fields.get("dataset", "scenes"))
    runs = _runs(images, naive, matched)
    # What the command line says wins over the file, and the file over what is usual.
    given = {**runs, **fields} if naive is None and matched is None else {**fields, **runs}
    given |= {"name": name, "contact": contact, "dataset": images}
    chosen = preset_of(preset, given, strata=strata(images))
    made = create_study(_database(), chosen, candidates=candidates(chosen), maps_of=maps_of(chosen), progress=_progress)
    if begin:
        made = open_study(_database(), made.id)
    print(f"{made.id}  {made.label}  {made.status}  {made.config.n_items} items  sha256 {made.config_sha256[:12]}")


@study.command("list")
def list_all(as_json: Annotated[bool, typer.Option("--json", help="for scripts")] = False) -> None:
    """List the studies, the newest first: id, name, status, who came, who finished."""
    from xkd_core.study.store.studies import list_studies, recruitment

    database = _database()
    rows = [(one, recruitment(database, one)) for one in list_studies(database)]
    if as_json:
        fields = [
            {"id": one.id, "name": one.label, "status": one.status, "config_sha256": one.config_sha256,
             "planned": found.planned, "arrived": found.arrived, "stages": dict(found.stages),
             "withdrawn": found.withdrawn, "deleted": found.deleted}
            for one, found in rows
        ]  # fmt: skip
        print(json.dumps(fields))
        return
    for one, found in rows:
        done = found.stages.get("done", 0)
        print(f"{one.id}  {one.label:30} {one.status:7} {done} of {found.planned} done, {found.arrived} came")


@study.command("open")
def let_in(wanted: StudyName) -> None:
    """Let participants in, after every picture was checked."""
    from xkd_core.study.store.studies import find_study, open_study

    database = _database()
    print(f"{open_study(database, find_study(database, wanted).id).label} is open")


@study.command()
def close(wanted: StudyName) -> None:
    """Let nobody new in; who has begun may finish."""
    from xkd_core.study.store.studies import close_study, find_study

    database = _database()
    print(f"{close_study(database, find_study(database, wanted).id).label} is closed")


@study.command()
def export(
    wanted: StudyName,
    out: Annotated[Path, typer.Option(help="folder for the CSV and JSON files; it is made if need be")],
) -> None:
    """Write tables, configuration, analysis and codebook."""
    from xkd_core.study.export import write_export
    from xkd_core.study.store.studies import find_study

    if out.exists() and not out.is_dir():
        raise BadInputError(f"--out must be a folder; {out.name} is a file.")
    database = _database()
    for path in write_export(database, find_study(database, wanted), out):
        print(path)


@study.command()
def delete(
    wanted: StudyName,
    participant: Annotated[str | None, typer.Option(help="delete only this participant code")] = None,
    platform_ids: Annotated[bool, typer.Option("--platform-ids", help="delete only the platform's ids")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="needed to delete a whole study")] = False,
) -> None:
    """Delete a participant, the platform's ids, or a whole study with every answer. There is no way back."""
    from xkd_core.study.store.participants import delete_participant, purge_platform_ids
    from xkd_core.study.store.studies import delete_study, find_study

    database = _database()
    found = find_study(database, wanted)
    if participant is not None:
        delete_participant(database, found.id, participant)
        print(f"participant {participant} of {found.label} deleted")
    elif platform_ids:
        print(f"{purge_platform_ids(database, found.id)} platform ids of {found.label} deleted")
    elif yes:
        delete_study(database, found.id)
        print(f"{found.label} deleted")
    else:
        raise BadInputError(f"Deleting {found.label} with every answer needs --yes.")


@study.command()
def simulate(
    participants: int = 40,
    trials: Annotated[int, typer.Option(help="main trials of each participant")] = 40,
    items: Annotated[int, typer.Option(help="images x pairs of students")] = 80,
    matched: Annotated[float | None, typer.Option(help="true share of teacher-and-matched; default: 0.4")] = None,
    naive: Annotated[float | None, typer.Option(help="of teacher-and-naive; default: half of the rest")] = None,
    null: Annotated[bool, typer.Option("--null", help="no effect: prints the false-positive rate")] = False,
    person_sd: Annotated[float, typer.Option(help="how much people differ, in log odds")] = 0.5,
    item_sd: Annotated[float, typer.Option(help="how much items differ, in log odds")] = 0.6,
    studies: int = 500,
    seed: int = 0,
) -> None:
    """Simulate studies: the power of the primary test, or with --null how often it is wrong."""
    from xkd_core.study.simulation import Design, Truth, expected_share, power

    if null and (matched is not None or naive is not None):
        raise BadInputError("--null says that both shares are a third; leave --matched and --naive out.")
    first = 0.4 if matched is None else matched
    shares = (1 / 3, 1 / 3) if null else (first, (1 - first) / 2 if naive is None else naive)
    truth = Truth(matched=shares[0], naive=shares[1], person_sd=person_sd, item_sd=item_sd)
    design = Design(participants=participants, trials=trials, items=items)
    started = time.monotonic()
    if seed < 0:
        raise BadInputError(f"--seed must be 0 or more; got {seed}.")
    found = power(design, truth, studies=studies, seed=seed)
    what = "false-positive rate" if truth.is_null else "power"
    share = found.rejected
    print(
        f"{what} {share.share:.3f} [{share.low:.3f}, {share.high:.3f}] in {studies} studies of {participants} people x "
        f"{trials} trials, {items} items; true share of matched {expected_share(truth):.3f}; "
        f"{time.monotonic() - started:.0f} s"
    )


@study.command()
def password() -> None:
    """Ask for the admin page's password and print the value for XKD_ADMIN_PASSWORD_HASH."""
    from xkd_core.study.access import hash_password

    if sys.stdin.isatty():
        word = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        word = sys.stdin.readline().rstrip("\n")
    print(hash_password(word))


def _database() -> Database:
    from xkd_core.study.store.database import Database

    return Database()


def _runs(dataset: str, naive: list[str] | None, matched: list[str] | None) -> dict[str, Any]:
    """Teacher and pairs of students: those given, or the data set's default naive and matched student."""
    from xkd_core.models.checkpoints import find_card
    from xkd_core.serving.zoo import read_zoo

    zoo = read_zoo(dataset)
    if zoo.teacher is None:
        raise BadInputError(f"There is no teacher of {dataset} yet; `python -m xkd_core runs` lists the runs.")
    if naive is None and matched is None:
        picks = [zoo.pick(row, zoo.default()) for row in ("naive", "matched")]
        naive, matched = ([pick.card.id] if pick is not None else [] for pick in picks)
    if not naive or not matched or len(naive) != len(matched):
        raise BadInputError(f"Each pair needs --naive and --matched; got {len(naive or ())} and {len(matched or ())}.")
    cards = [(find_card(one), find_card(two)) for one, two in zip(naive, matched, strict=True)]
    pairs = [{"naive": one.id, "matched": two.id, "ratio": two.ratio, "lam": two.lam} for one, two in cards]
    return {"teacher": zoo.teacher.id, "pairs": pairs}


def _fields(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        fields = json.loads(path.read_text())
    except OSError as error:
        raise BadInputError(f"--config {path.name} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise BadInputError(f"--config {path.name} must be JSON: {error}.") from error
    if not isinstance(fields, dict):
        raise BadInputError(f"--config {path.name} must be a JSON object; got {type(fields).__name__}.")
    return fields


def _progress(done: int, of: int) -> None:
    if sys.stderr.isatty() or done == of:
        print(f"\r{done} of {of} items drawn", end="\n" if done == of else "", file=sys.stderr, flush=True)
