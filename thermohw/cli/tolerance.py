"""thermohw sensitivity and thermohw yield: what imperfections cost, and how many boards will do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from thermohw.cli.codes import CODES, or_one

__all__ = ["register"]

_Spec = Annotated[str, typer.Argument(help="a TOML file, or the name of a shipped experiment")]
_Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="override an entry")
]


def register(app: typer.Typer) -> None:
    """Add the two commands."""
    app.command("sensitivity", epilog=CODES)(sensitivity)
    app.command("yield", epilog=or_one("the yield is below --at-least"))(yields)


def sensitivity(
    spec: _Spec,
    set_: _Set = None,
    paths: Annotated[int, typer.Option(help="samples a row and wiring")] = 20000,
    seed: Annotated[int, typer.Option(help="of the noise")] = 0,
    row: Annotated[
        list[str] | None,
        typer.Option("--row", metavar="KEY=VALUE[,KEY=VALUE]", help="a row of your own"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file to write")] = None,
    json: Annotated[bool, typer.Option("--json", help="print the table as JSON")] = False,
) -> None:
    """One imperfection at a time: samples and work of both wirings."""
    from thermohw.outputs import write
    from thermohw.pipeline.admit import admit_settings
    from thermohw.pipeline.spec import load_spec

    changes = {text: _changes(text) for text in row or ()}
    _check_new(out)
    known = load_spec(spec, list(set_ or []))
    admit_settings(known)  # before what follows is imported
    from thermohw.tolerance import Row
    from thermohw.tolerance import sensitivity as measure

    rows = [Row(text, changes[text]) for text in row] if row else None
    table = measure(known, rows, paths=paths, seed=seed)
    if out is not None:
        write(out, table.to_json() + "\n")
    typer.echo(table.to_json() if json else str(table))


def yields(
    spec: _Spec,
    require: Annotated[
        list[str], typer.Option("--require", help='such as "quality.w1 < 0.05"; may be repeated')
    ],
    boards: Annotated[int, typer.Option(help="how many boards")] = 100,
    set_: _Set = None,
    paths: Annotated[int, typer.Option(help="samples a board and corner")] = 4096,
    seed: Annotated[int, typer.Option(help="of boards and noise")] = 0,
    shared: Annotated[float, typer.Option(help="share of a tolerance common to a board")] = 1.0,
    area: Annotated[float | None, typer.Option(help="um^2 of an element (Pelgrom)")] = None,
    resistor_matching: Annotated[float, typer.Option(help="A of resistors, relative x um")] = 0.02,
    capacitor_matching: Annotated[float, typer.Option(help="A of capacitors")] = 0.0075,
    offset: Annotated[str | None, typer.Option(help='front ends\' offset, "10 uV"')] = None,
    gain: Annotated[float, typer.Option(help="deviation of the front ends' gains")] = 0.0,
    corners: Annotated[
        str | None, typer.Option(help='temperatures in degC, "-40,27,85,125"')
    ] = None,
    tcr: Annotated[float, typer.Option(help="ppm/K of resistances")] = 0.0,
    tcc: Annotated[float, typer.Option(help="ppm/K of capacitances")] = 0.0,
    at_least: Annotated[
        float | None, typer.Option("--at-least", help="exit 1 where the yield is below this share")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="file of finished boards (JSON lines); continued")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print everything as JSON")] = False,
) -> None:
    """Draw boards from the datasheet's tolerances; how many meet the requirements."""
    from thermohw.errors import InputError
    from thermohw.pipeline.admit import admit_settings
    from thermohw.pipeline.spec import load_spec
    from thermohw.tolerance.require import Requirement
    from thermohw.units import parse

    if at_least is not None and not 0.0 <= at_least <= 1.0:
        raise InputError(f"{at_least:g}: expected a share from 0 to 1", where="--at-least")
    wrong, degrees = (0.0 if offset is None else parse(offset, "V", "--offset")), _numbers(corners)
    for text in require:
        Requirement.parse(text)
    known = load_spec(spec, list(set_ or []))
    admit_settings(known)  # before what follows is imported
    from thermohw.tolerance import Spread, yield_

    spread = Spread(
        shared=shared,
        area=area,
        resistor_matching=resistor_matching,
        capacitor_matching=capacitor_matching,
        offset=wrong,
        gain=gain,
        corners=degrees,
        tcr=1e-6 * tcr,
        tcc=1e-6 * tcc,
    )
    found = yield_(
        known, require, boards=boards, spread=spread, paths=paths, seed=seed, out=out,
    )  # fmt: skip
    typer.echo(found.to_json() if json else str(found))
    if at_least is not None and found.passed.value < at_least:
        raise typer.Exit(1)


def _numbers(text: str | None) -> tuple[float, ...]:
    from thermohw.errors import InputError

    if not text:
        return ()
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            f"{text!r}: expected numbers such as -40,27,85,125", where="--corners"
        ) from None


def _changes(text: str) -> dict[str, object]:
    """Protocol keys of one row, "adc_bits=5,adc_range=[...]"."""
    import re

    from thermohw.errors import InputError
    from thermohw.intake import parse_value

    changes: dict[str, object] = {}
    for part in re.split(r",(?=\s*\w+\s*=)", text):
        key, equals, value = part.partition("=")
        if not equals:
            raise InputError(f"{part!r}: expected KEY=VALUE", where="--row")
        changes[key.strip()] = parse_value(value, "--row")
    return changes


def _check_new(out: Path | None) -> None:
    from thermohw.errors import InputError
    from thermohw.outputs import check_place

    if out is not None and check_place(out).exists():
        raise InputError("exists: choose another name, or delete it", where=str(out))
