"""The command line.

    thermohw devices [NAME]                what there is, or one device's noise and limits
    thermohw run SPEC [--set a.b=c]...     simulate a SPEC into a run file
    thermohw energy SPEC [--json]          what a sample costs, from bath to network, before a run
    thermohw audit run.h5 [--json]         laws and bounds; exit 0 holds, 1 violated, 2 bad input
    thermohw report run.h5 [--out x.html]  the page
    thermohw inspect run.h5 [--verify]     what is in a file, and whether it is whole
    thermohw spice SPEC [--out x.cir] [--check]
                                           a run's path as a netlist, and ngspice's word on it
    thermohw sensitivity SPEC              one imperfection at a time
    thermohw yield SPEC --require ...      how many boards will do
    thermohw experiment list | run NAME    studies: a question each, with figures and numbers

Exit codes: 0; 1 a law is violated (`spice --check`: the simulators differ; `experiment run`: a
check of the study is violated; `yield --at-least`: too few boards will do), so that 1 always means
physics; 2 a mistake of the user's or of the machine's, or a file that cannot be trusted (`inspect
--verify`), in one line; 70 anything that thermohw did not foresee, in one line with how to see
where; 130 Ctrl-C, which loses nothing that was committed.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import signal
import sys
import traceback
import warnings
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from thermohw import __version__, outputs
from thermohw.cli.codes import CODES, or_one
from thermohw.cli.study import experiment
from thermohw.cli.tolerance import register
from thermohw.errors import InputError, out_of_memory, plain, shown

__all__ = ["app", "main"]

_TRACEBACK = "THERMOHW_TRACEBACK"
_TOO_LARGE = "out of memory: fewer paths, saved frames or dimensions need less"
_MACHINE = {  # what a full, read-only or exhausted machine says
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE,
    errno.ENFILE, errno.ENOMEM, errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG,
    errno.ELOOP, errno.EIO, errno.ETXTBSY, errno.EBUSY,
}  # fmt: skip

app = typer.Typer(
    help="Diffusion models played on noisy circuits: samples, joules, likelihoods and laws.",
    no_args_is_help=True,
    epilog=or_one("a law is violated"),
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(experiment, name="experiment")


Baths = Annotated[int | None, typer.Option(min=0, help="list so many baths one by one [8]")]


def _version(asked: bool) -> None:
    if asked:
        _say(f"thermohw {__version__}")
        raise typer.Exit


@app.callback()
def whole(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="which one this is")
    ] = False,
) -> None:
    """Diffusion models played on noisy circuits: samples, joules, likelihoods and laws."""


@app.command(epilog=CODES)
def devices(
    name: Annotated[
        str | None, typer.Argument(help="a shipped device or the path of a datasheet")
    ] = None,
) -> None:
    """List the devices, or show one."""
    from thermohw.cli.tables import device_list, device_page

    _say(device_list() if name is None else device_page(name), nl=False)


@app.command(epilog=CODES)
def run(
    spec: Annotated[str, typer.Argument(help="a TOML file, or the name of a shipped experiment")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="override an entry")
    ] = None,
    paths: Annotated[int | None, typer.Option(help="simulate.paths")] = None,
    seed: Annotated[int | None, typer.Option(help="simulate.seed")] = None,
    out: Annotated[Path, typer.Option(help="run file to write")] = Path("run.h5"),
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="continue an unfinished run file, or extend one to more --paths",
        ),
    ] = False,
    workers: Annotated[
        int | None, typer.Option(help="threads that play; default as many as there are cores")
    ] = None,
    on: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    baths: Baths = None,
) -> None:
    """Simulate a SPEC into a run file."""
    from thermohw.pipeline.spec import load_spec

    if on != "cpu":
        raise InputError(f"{on!r}: this version runs on 'cpu' only", where="--on")
    overrides = list(set_ or [])
    overrides += [
        f"simulate.{key}={value}"
        for key, value in (("paths", paths), ("seed", seed))
        if value is not None
    ]
    known = load_spec(spec, overrides)  # before what follows is imported
    from thermohw.control.limits import rounded_notes
    from thermohw.pipeline.run import run_spec

    result = run_spec(known, out, resume=resume, workers=workers)
    _say(result.ledger.text(baths))
    if result.plan is not None:
        remark = result.plan.bias.remark
        notes = [f"{remark}: an audit of many paths calls that violated"] if remark else []
        for note in [*rounded_notes(result.plan), *notes]:
            _say(f"note: {note}")
    _say(f"written to {out}; next: thermohw audit {out}")


@app.command(epilog=CODES)
def energy(
    spec: Annotated[str, typer.Argument(help="a TOML file, or the name of a shipped experiment")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="override an entry")
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="trained weights of the SPEC's network: a weights file or a run file"),
    ] = None,
    prices: Annotated[
        str | None,
        typer.Option(help="a price sheet, by name or path, before the datasheet's own prices"),
    ] = None,
    samples: Annotated[
        int | None, typer.Option(help="drawn between two programmings [simulate.paths]")
    ] = None,
    utilisation: Annotated[
        float, typer.Option(help="share of its peak at which a GPU is compared")
    ] = 0.4,
    json: Annotated[bool, typer.Option("--json", help="the whole bill as JSON")] = False,
) -> None:
    """Price a sample, from bath to network, without simulating a run."""
    from thermohw.pipeline.spec import load_spec

    known = load_spec(spec, list(set_ or []))  # before what follows is imported
    from thermohw.pipeline.energy import energy as price

    found = price(known, weights=weights, prices=prices, samples=samples, utilisation=utilisation)
    _say(found.to_json() if json else str(found))


@app.command(epilog=or_one("a law or bound is violated"))
def audit(
    path: Annotated[Path, typer.Argument(help="a run file")],
    json: Annotated[bool, typer.Option("--json", help="the whole account as JSON")] = False,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="compute stored likelihood terms again")
    ] = False,
    inject: Annotated[
        bool, typer.Option("--inject", help="put errors in until each verdict turns (minutes)")
    ] = False,
    baths: Baths = None,
) -> None:
    """Check laws and bounds of a stored run."""
    from thermohw.store import RunReader

    RunReader.open(path).close()  # what is no whole run is told before an audit is imported
    from thermohw.audit import audit as examine

    account = examine(path, recompute=recompute, inject=inject)
    _say(account.to_json() if json else account.text(baths))
    if not account.holds:
        raise typer.Exit(1)


@app.command(epilog=CODES)
def report(
    path: Annotated[Path, typer.Argument(help="a run file, a folder of them, or a study's folder")],
    out: Annotated[Path | None, typer.Option(help="HTML file to write")] = None,
) -> None:
    """Draw the report page of a stored run or study."""
    if not path.is_dir():
        from thermohw.store import RunReader

        RunReader.open(path).close()  # what is no whole run is told before a page is imported
    from thermohw.report import report as draw

    _say(f"written to {draw(path, out)}")


@app.command(epilog=CODES)
def inspect(
    path: Annotated[Path, typer.Argument(help="a run file")],
    verify: Annotated[
        bool, typer.Option("--verify", help="check hashes, counters, shapes and values")
    ] = False,
) -> None:
    """Show what is in a run file, and whether it is whole."""
    from thermohw.cli.tables import file_page, verdict

    _say(file_page(path), nl=False)
    if verify:
        text, sound = verdict(path)
        _say(text)
        if not sound:
            count = len(text.splitlines())
            words = "a problem" if count == 1 else f"{count} problems"
            raise InputError(f"is not sound: {words}, see above", where=str(path))


@app.command(epilog=or_one("with --check, the simulators differ"))
def spice(
    spec: Annotated[str, typer.Argument(help="a TOML file, or the name of a shipped experiment")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="override an entry")
    ] = None,
    path: Annotated[int, typer.Option(help="which path of the run")] = 0,
    out: Annotated[Path | None, typer.Option(help="netlist to write")] = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="play the recorded control even if sources could do it")
    ] = False,
    noise: Annotated[
        str, typer.Option(help="path: the run's own, as waveforms; random: the simulator draws it")
    ] = "path",
    cells: Annotated[
        int | None, typer.Option(help="with --noise random: how many samples (default 20)")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="run ngspice and compare; exit 1 where they differ")
    ] = False,
) -> None:
    """Write one path of a run as a SPICE netlist; compare with ngspice."""
    from thermohw.pipeline.spec import load_spec

    if noise not in ("path", "random"):
        raise InputError(f"{noise!r}: expected 'path' or 'random'", where="--noise")
    if noise == "path" and cells is not None:
        raise InputError("cells share nothing but the circuit; they need --noise random",
                         where="--cells")  # fmt: skip
    if noise == "random" and (replay or path):
        raise InputError("names a path of the run; leave it out with --noise random",
                         where="--replay" if replay else "--path")  # fmt: skip
    target = out if out is not None or check else Path("path.cir")
    known = load_spec(spec, list(set_ or []))
    if target is not None:
        outputs.check_place(target, "a netlist, such as path.cir")
    from thermohw.pipeline.admit import admit_settings

    admit_settings(known)  # before what follows is imported
    from thermohw.pipeline.netlist import ensemble_netlist, path_netlist
    from thermohw.spice.deck import CELLS

    if noise == "random":
        result = ensemble_netlist(known, 20 if cells is None else cells, out=target, check=check)
    else:
        result = path_netlist(known, path, out=target, replay=replay, check=check)
    if target is not None:
        held = f" (the first {CELLS} cells)" if noise == "random" and (cells or 0) > CELLS else ""
        _say(f"written to {target}{held}; next: ngspice -b {target}")
    if result is not None:
        _say(str(result))
        if not result.holds:
            raise typer.Exit(1)


register(app)


def main() -> None:
    """Entry point of the `thermohw` command."""
    # Not KeyboardInterrupt: raised inside a destructor or a weak reference's callback, it is
    # swallowed. Leaving at once is safe, because a commit survives even a kill.
    signal.signal(signal.SIGINT, lambda number, frame: _interrupted())
    # Numbers that overflow end in a line that says so; numpy's own would come before it.
    warnings.filterwarnings("ignore", category=RuntimeWarning)
    warnings.showwarning = _note
    # Pages and figures are files: a window system that the variable names has no say, and where
    # the plotting library may keep its fonts is its own affair.
    os.environ["MPLBACKEND"] = "agg"
    logging.getLogger("matplotlib").setLevel(logging.CRITICAL)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a folder's name need not be text
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        _require_folder()
        # standalone_mode off: our own exit codes, one line for every mistake.
        code = app(standalone_mode=False)
        _flush()
    except InputError as error:
        if os.environ.get(_TRACEBACK):  # what stands behind it may be a defect of ours
            traceback.print_exception(error)
        _fail(str(error))
    except BrokenPipeError:
        os._exit(0)  # the reader of our output left, e.g. `| head`
    except SystemExit as left:
        # The command line library makes a 1 of it, which is kept for physics.
        if isinstance(left.__context__, BrokenPipeError):
            os._exit(0)
        raise
    except FloatingPointError as error:
        _fail(f"the numbers overflow: {error}")
    except OSError as error:
        if out_of_memory(error):
            _fail(_TOO_LARGE)
        if error.errno in _MACHINE:
            _fail(f"{error.filename or 'the machine'}: {error.strerror}")
        _unforeseen(error)
    except Exception as error:
        if hasattr(
            error, "format_message"
        ):  # a usage mistake, as the command line library names it
            message = error.format_message()  # type: ignore[attr-defined]
            if not message:  # nothing was asked for: the help is on the screen already
                sys.exit(2)
            _fail(message)
        if out_of_memory(error):
            _fail(_TOO_LARGE)
        _unforeseen(error)
    sys.exit(code if isinstance(code, int) else 0)


def _require_folder() -> None:
    """Refuse to start in a folder that is gone: libraries end there in words of their own."""
    try:
        os.getcwd()
    except OSError:
        raise InputError("it was deleted, or may not be read: cd to another folder first",
                         where="the working directory") from None  # fmt: skip


def _say(page: str, *, nl: bool = True) -> None:
    """Print what may quote a file of others, or a name that the system's encoding cannot hold."""
    typer.echo(plain(page), nl=nl)


def _fail(message: str) -> NoReturn:
    _leave(f"thermohw: {shown(' '.join(message.split()))}", 2)


def _note(message: Warning | str, *_: object, **__: object) -> None:
    """A warning as a line of ours, without the line of code that it comes from."""
    print(f"thermohw: note: {shown(' '.join(str(message).split()))}", file=sys.stderr)


def _unforeseen(error: BaseException) -> NoReturn:
    """One line for what should not have happened; never the exit code of a violated law."""
    if os.environ.get(_TRACEBACK):
        traceback.print_exception(error)
    words = shown(" ".join(str(error).split()))[:300] or "no message"
    _leave(
        f"thermohw: unforeseen {type(error).__name__} ({words}): a defect of thermohw or a damaged "
        f"installation; {_TRACEBACK}=1 shows where, and docs/security.md where to report it",
        70,
    )


def _leave(line: str, code: int) -> NoReturn:
    """The last line; where nobody can be told it, the exit code still says it."""
    try:
        print(line, file=sys.stderr, flush=True)
        _flush()
    except OSError:
        os._exit(code)  # Python would try to write it again, and leave with a code of its own
    sys.exit(code)


def _flush() -> None:
    """A short page is still in the buffer, and the disk behind it may be full."""
    if sys.stdout is not None:  # closed by the caller
        sys.stdout.flush()


def _interrupted() -> NoReturn:
    kept = {  # by command; only these leave anything behind
        "run": "; what was committed is kept, continue with --resume",
        "yield": "; boards finished into --out are kept: the same command goes on from here",
    }
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    outputs.abandon()
    print(f"thermohw: interrupted{kept.get(command, '')}", file=sys.stderr)
    sys.stderr.flush()
    os._exit(130)


if __name__ == "__main__":
    main()
