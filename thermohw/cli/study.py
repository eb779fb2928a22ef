"""thermohw experiment list | run: studies in the shell."""

from __future__ import annotations

import multiprocessing
import os
import shlex
import signal
import sys
import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from thermohw import outputs
from thermohw.cli.codes import CODES, or_one

if TYPE_CHECKING:
    from thermohw.study import StudyRun

__all__ = ["experiment"]

experiment = typer.Typer(
    help="Studies: one question each, answered with figures and numbers.", no_args_is_help=True
)

_SYMBOLS = {"holds": "✓", "explained": "≈", "violated": "✗", "not-applicable": "–"}


@experiment.command("list", epilog=CODES)
def list_studies() -> None:
    """List the shipped studies and run SPECs."""
    from rich.console import Console

    from thermohw.errors import InputError
    from thermohw.pipeline.spec import spec_names
    from thermohw.study import find_study, study_names

    console = Console(highlight=False, soft_wrap=True)
    wide = 2 + max(map(len, [*study_names(), *spec_names()]))
    for name in study_names():
        try:
            study = find_study(name).study
        except InputError as error:  # one broken study must not hide the others
            console.print(f"{name:<{wide}}{error}", markup=False)
            continue
        console.print(f"{name:<{wide}}{study.title}", markup=False)
        console.print(f"{'':<{wide}}{study.question}", markup=False)
    for name in spec_names():
        console.print(f"{name:<{wide}}{_about(name)} (SPEC of one run: thermohw run {name})")


@experiment.command("run", epilog=or_one("a check of the study is violated"))
def run_one(
    name: Annotated[str, typer.Argument(help="a shipped study, or the path of a study's .py file")],
    quick: Annotated[bool, typer.Option("--quick", help="the study's own short version")] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="change a parameter")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="folder; default out/NAME or out/NAME-quick")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="processes; default one per usable core")
    ] = None,
) -> None:
    """Run a study, or what is left of it."""
    from thermohw.study import run_study

    signal.signal(signal.SIGINT, lambda number, frame: _interrupted())
    command = shlex.join(["thermohw", *sys.argv[1:]])
    run = run_study(name, set_ or [], quick=quick, out=out, workers=workers, command=command)
    _tell(run)
    if not run.holds:
        raise typer.Exit(1)


def _tell(run: StudyRun) -> None:
    """Numbers, checks and findings on a terminal."""
    from rich.console import Console
    from rich.table import Table

    # Wider than 80 where nobody's window says how wide: a log wraps by itself.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    sheet = run.sheet
    if sheet.numbers:
        console.print(_numbers(sheet.numbers))
    if sheet.checks:
        table = Table(box=None, pad_edge=False)
        for heading in ("check", "", "detail"):
            table.add_column(heading, overflow="fold")
        for check in sheet.checks:
            status = check["status"]
            verdict = f"{_SYMBOLS[status]} {status}"
            table.add_row(_plain(check["name"]), verdict, _plain(check["detail"]))
        console.print()
        console.print(table)
    if sheet.findings:
        console.print()
    for finding in sheet.findings:
        console.print(f"- {finding}", markup=False)
    console.print()
    page = run.folder / "index.html"
    console.print(f"written to {run.folder}; look at {page}", markup=False, soft_wrap=True)


def _numbers(numbers: dict[str, dict[str, Any]]) -> Any:
    from rich.table import Table

    from thermohw.report.numerals import measured, plain

    table = Table(box=None, pad_edge=False)
    published = any(entry["published"] is not None for entry in numbers.values())
    table.add_column("number", overflow="fold")
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("unit")
    if published:
        table.add_column("published", justify="right")
    table.add_column("note", overflow="fold")
    for name, entry in numbers.items():
        said = entry["published"]
        words = "" if said is None else said if isinstance(said, str) else plain(said)
        unit = "" if entry["unit"] == "1" else entry["unit"]
        value = measured(entry["value"], entry["stderr"])
        row = [name, value, unit, *([words] if published else []), entry["note"]]
        table.add_row(*map(_plain, row))
    return table


def _plain(text: str) -> Any:
    """Text as it is: square brackets are no markup."""
    from rich.text import Text

    return Text(text)


def _about(spec: str) -> str:
    """The comment a SPEC opens with, its first sentence."""
    text = (resources.files("thermohw.experiments") / f"{spec}.toml").read_text(encoding="utf-8")
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    sentence = " ".join(lines).split(". ")[0].rstrip(".")
    return sentence or tomllib.loads(text)["target"]["kind"]


def _interrupted() -> NoReturn:
    for child in multiprocessing.active_children():
        child.kill()
    message = "interrupted; finished cells are kept: the same command goes on from here"
    print(f"\nthermohw: {message}", file=sys.stderr)
    sys.stderr.flush()
    outputs.abandon()
    os._exit(130)
