"""The command line: ``python -m xkd_core COMMAND``. Parsing and printing only; the work is elsewhere."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from xkd_core import settings
from xkd_core.claims_command import claims
from xkd_core.errors import BadInputError, XKDError
from xkd_core.evaluate_command import evaluate, roar, summary, thin
from xkd_core.study_command import study
from xkd_core.sweep_command import sweep

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help=("Did the compressed network keep its teacher's reasons, or only its answers?"),
)
app.add_typer(sweep, name="sweep")
app.add_typer(study, name="study")


def _use_threads(before: str = "") -> None:
    """As the settings say; a run that is trained again as it had ``before``, as its last bits depend on it."""
    import torch

    again = before.isdecimal() and not os.environ.get("XKD_THREADS")
    torch.set_num_threads(int(before) if again else settings.threads())


@app.command()
def runs(as_json: Annotated[bool, typer.Option("--json", help="The full list for scripts.")] = False) -> None:
    """List the runs: what they are, how they were made, what they measured."""
    from xkd_core.models.checkpoints import scan

    found = scan()
    for problem in found.problems:
        print(problem, file=sys.stderr)
    if as_json:
        print(json.dumps([card.model_dump(exclude={"curve", "recipe", "schema_version"}) for card in found.cards]))
        return
    if not found.cards:
        print(f"No run in {settings.checkpoints_dir()}; XKD_CHECKPOINTS says where to look.", file=sys.stderr)
    for card in found.cards:
        lam = "" if card.lam is None else f"λ {card.lam:g}"
        away = " (weights not here)" if card.id in found.away else ""
        width = str(Fraction(card.width).limit_denominator(64))
        print(f"{card.id:56} {card.role:9} {card.method:5} {width:>4} {card.params:>10,} {lam}{away}")


@app.command()
def distill(
    dataset: Annotated[str | None, typer.Option(help="default: scenes")] = None,
    method: Annotated[
        str | None, typer.Option(help="ce (teacher), kd (default), ewa, swa, sswa, at, nst, ab, xd, surrogate")
    ] = None,
    teacher: Annotated[str | None, typer.Option(help="run id of the teacher; default: the data set's first")] = None,
    lam: Annotated[float | None, typer.Option(help="λ: 0 = labels only, 1 = teacher only; default: 0.5")] = None,
    beta: Annotated[float | None, typer.Option(help="β: weight of what is matched; default: 2; nst, ab: 10")] = None,
    temperature: Annotated[float | None, typer.Option(help="T of softened answers; default: 4")] = None,
    width: Annotated[float | None, typer.Option(help="fraction of the architecture's channels; default: 0.25")] = None,
    seed: Annotated[int | None, typer.Option(help="default: 0")] = None,
    epochs: Annotated[int | None, typer.Option(help="default: 20")] = None,
    split: Annotated[str | None, typer.Option(help="training split; default: the data set's own")] = None,
    arch: Annotated[str | None, typer.Option(help="architecture; default: the data set's own")] = None,
    limit: Annotated[int | None, typer.Option(help="train on the first N images only")] = None,
    layers: Annotated[str | None, typer.Option(help="layers to match, e.g. last-1+last; default: the method's")] = None,
    top_k: Annotated[int | None, typer.Option(help="swa, sswa: the teacher's so many best classes; default: 1")] = None,
    mask: Annotated[str | None, typer.Option(help="sswa: teacher (the default), shared or independent")] = None,
    kd_form: Annotated[
        str | None, typer.Option(help="t2 (the default), convex, reversed, compat_000, compat_001, added")
    ] = None,
    explained: Annotated[str | None, typer.Option(help="xd: gradient_shap (default), grad_cam, lime, none")] = None,
    fr_weight: Annotated[float | None, typer.Option(help="xd: weight of F_R; default: 5e-4")] = None,
    fields: Annotated[list[str] | None, typer.Option("--set", help="any field of a recipe, as slimmable=true")] = None,
    recipe_name: Annotated[str | None, typer.Option(help="start from a named recipe, see `recipes`")] = None,
    recipe: Annotated[str | None, typer.Option(help="a whole recipe as JSON, instead of the other options")] = None,
    run: Annotated[str | None, typer.Option(help="train this run again, where only its card is here")] = None,
    quiet: bool = False,
) -> None:
    """Train one run and print its id. Killed at any moment, the same command goes on where it was."""
    _use_threads()
    from xkd_core.distillation.named import named_recipe
    from xkd_core.distillation.recipes import again, recipe_from, recipe_of
    from xkd_core.distillation.runs import distill as train_run
    from xkd_core.models.checkpoints import find_card

    given: dict[str, Any] = {
        "dataset": dataset,
        "method": method,
        "teacher_id": teacher,
        "lam": lam,
        "beta": beta,
        "epochs": epochs,
        "temperature": temperature,
        "width": width,
        "seed": seed,
        "split": split,
        "arch": arch,
        "limit": limit,
        "layers": layers,
        "top_k": top_k,
        "mask": mask,
        "kd_form": kd_form,
        "explained": explained,
        "fr_weight": fr_weight,
    }
    given |= _fields(fields or (), given)
    _alone(given, {"run": run, "recipe": recipe, "recipe-name": recipe_name})
    if run is not None:
        _use_threads(find_card(run).versions.get("threads", ""))
        chosen = again(find_card(run))
    elif recipe is not None:
        chosen = recipe_of(_json(recipe))
    elif recipe_name is not None:
        chosen = named_recipe(recipe_name, given)
    else:
        chosen = recipe_from({**given, "dataset": dataset or "scenes"})
    card = train_run(chosen, report=None if quiet else _epoch_printer())
    _measure(card)
    print(card.id)


def _fields(texts: Iterable[str], given: dict[str, Any]) -> dict[str, Any]:
    """FIELD=VALUE as a value of that field. Errors: BadInputError for another field, or one that is given otherwise."""
    from dataclasses import fields

    from xkd_core.distillation.recipes import Recipe

    known, found = {each.name for each in fields(Recipe)}, {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or name not in known:
            raise BadInputError(f"--set needs FIELD=VALUE with a field of a recipe; got {text!r}. {_known(known)}")
        if name in found or given.get(name) is not None:
            raise BadInputError(f"{name} is given twice; leave one out.")
        found[name] = _value(value)
    return found


def _known(fields: Iterable[str]) -> str:
    return f"Fields: {', '.join(sorted(fields))}."


def _value(text: str) -> Any:
    """A number, true, false or null; everything else is text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, list | dict) else value


def _alone(given: dict[str, Any], whole: dict[str, str | None]) -> None:
    """Refuse options that --run or --recipe would silently overrule."""
    used = [name for name, value in whole.items() if value is not None]
    others = [name for name, value in given.items() if value is not None]
    if len(used) > 1 or (used in (["run"], ["recipe"]) and others):
        said = ", ".join((used + others)[1:])
        raise BadInputError(f"--{used[0]} says everything about a training; leave out what else was given: {said}.")


def _measure(card: Any) -> None:
    """Write the test metrics into the card, or into those of its widths; a machine for training only cannot."""
    try:
        from xkd_core.evaluation.quick import measure_card
    except ModuleNotFoundError as error:
        print(f"Not measured: {error.name} is not installed here. `evaluate` measures it where it is.", file=sys.stderr)
        return
    from xkd_core.models.cards import widths

    for one in widths(card):
        measure_card(one)


@app.command()
def recipes() -> None:
    """List the named recipes and in what each differs from its paper."""
    from xkd_core.distillation.named import NAMED, differences
    from xkd_core.distillation.recipes import Recipe

    for name, named in NAMED.items():
        print(f"{name}: {named.source}")
        for line in differences(Recipe(**{**named.fields, "teacher_id": "any", "name": name})):
            print(f"    {line}")


@app.command()
def prune(
    run: Annotated[str, typer.Option(help="the run to prune, usually the teacher, see `runs`")],
    how: Annotated[str, typer.Option(help="unstructured (weights) or structured (filters)")] = "unstructured",
    amount: Annotated[float, typer.Option(help="share of the living weights, or of the filters, to take off")] = 0.2,
    rounds: Annotated[int, typer.Option(help="prune and train so many times, each on the one before")] = 1,
    method: Annotated[str, typer.Option(help="of the training after it, see `distill`")] = "swa",
    epochs: Annotated[int, typer.Option(help="after each pruning")] = 2,
    lr: float = 1e-3,
    lam: float = 0.5,
    beta: Annotated[float | None, typer.Option(help="default: the method's, see `distill`")] = None,
    seed: int = 0,
    limit: Annotated[int | None, typer.Option(help="train on the first N images only")] = None,
    quiet: bool = False,
) -> None:
    """Prune a run, train what is left with or without attribution matching, and print the new ids."""
    _use_threads()
    from xkd_core.distillation.recipes import pruning_rounds
    from xkd_core.distillation.runs import distill as train_run
    from xkd_core.models.checkpoints import find_card

    training = {"method": method, "epochs": epochs, "lr": lr, "lam": lam, "beta": beta, "seed": seed, "limit": limit}
    for recipe in pruning_rounds(find_card(run), how=how, amount=amount, rounds=rounds, training=training):
        card = train_run(recipe, report=None if quiet else _epoch_printer())
        _measure(card)
        print(card.id)


@app.command()
def quantize(run: Annotated[str, typer.Option(help="run id, see `runs`")]) -> None:
    """Write the int8 form of a run, measure that file, and print its id.

    Weights get 8 bits with a scale for each channel, inputs of layers 8 bits with ranges from training images; nothing
    is trained. Maps that need a gradient at the pixels cannot be made of it; CAMs and perturbation maps can.
    """
    _use_threads()
    from xkd_core.distillation.recipes import int8_of
    from xkd_core.distillation.runs import distill as make
    from xkd_core.models.checkpoints import find_card

    source = find_card(run)
    card = make(int8_of(source.dataset, source.id))
    _measure(card)
    print(card.id)


@app.command()
def restrict(
    run: Annotated[str, typer.Option(help="a teacher's run id, see `runs`")],
    dataset: Annotated[str, typer.Option(help="the data set whose classes it keeps, found by name")],
) -> None:
    """Cut a teacher of many classes down to those of another data set, measure it, and print the new id."""
    _use_threads()
    from xkd_core.evaluation.quick import measure_card
    from xkd_core.models.restriction import restrict as cut

    print(measure_card(cut(run, dataset)).id)


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise BadInputError(f"--recipe must be a JSON object; got {text[:60]!r} ({error}).") from error
    if not isinstance(value, dict):
        raise BadInputError(f"--recipe must be a JSON object; got {type(value).__name__}.")
    return value


def _epoch_printer() -> Any:
    import time

    started, first = time.monotonic(), [0]

    def report(epoch: int, epochs: int, watched: dict[str, float]) -> None:
        first[0] = first[0] or epoch
        left = (time.monotonic() - started) / (epoch - first[0] + 1) * (epochs - epoch)
        values = "  ".join(f"{name} {value:.3f}" for name, value in watched.items())
        print(f"epoch {epoch}/{epochs}  {values}  about {left / 60:.1f} min left", file=sys.stderr, flush=True)

    return report


@app.command()
def explain(
    run: Annotated[str, typer.Option(help="run id, see `runs`")],
    data: Annotated[str, typer.Option(help="NAME:SPLIT:A-B, both ends included")],
    explainer: Annotated[str, typer.Option(help="cam, grad_cam, occlusion, gradient_shap, kernel_shap, ...")],
    out: Annotated[Path, typer.Option(help="the .npz file to write")],
    target: Annotated[str, typer.Option(help="teacher, own, label or a class index")] = "teacher",
    seed: int = 0,
) -> None:
    """Write raw signed maps of one run to an .npz file."""
    _use_threads()
    from xkd_core.evaluation.export import Order, write_maps

    warning = write_maps(Order(run=run, data=data, explainer=explainer, target=target, seed=seed), out)
    if warning:
        print(f"warning: {warning}", file=sys.stderr)
    print(out)


app.command()(evaluate)
app.command()(summary)
app.command()(roar)
app.command()(thin)
app.command()(claims)


def main() -> None:
    """Run a command; an error of the user is one line on stderr and exit status 1, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows no λ shows \u03bb
    try:
        settings.check()
        try:
            app()
        finally:
            _flush()
    except XKDError as error:
        _fail(str(error))
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            _fail("The output could not be written: No space left on device.")
        if isinstance(error, MemoryError):
            _fail("This needs more memory than there is. Ask for less: fewer images, views or epochs.")
        if os.environ.get("XKD_DEBUG"):
            raise
        words = " ".join(f"{type(error).__name__}: {error}".split())
        _fail(f"this should not happen ({words}). XKD_DEBUG=1 shows where.")


def _fail(words: str) -> NoReturn:
    print(f"error: {words}", file=sys.stderr)
    raise SystemExit(1) from None


def _flush() -> None:
    """Write what is printed now, where an error can be told, and not when Python ends."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno != errno.EPIPE:  # a reader such as `head` that has seen enough is no error
            raise XKDError(f"The output could not be written: {error.strerror}.") from error


if __name__ == "__main__":
    main()
