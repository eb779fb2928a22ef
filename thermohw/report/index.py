"""The index of a folder of runs: one compact card each.

A run that cannot be read - unfinished, damaged, foreign, or wrong in a way nobody thought of - gets
a card that says so: one bad file must not hide the others. A card leads to the run's page where
that lies beside the index.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tqdm import tqdm

from thermohw.errors import InputError
from thermohw.report.clock import Clock
from thermohw.report.excerpts import Samples, Traces, read_samples, read_traces
from thermohw.report.facts import Facts, read_facts
from thermohw.report.figures.canvas import renamed
from thermohw.report.figures.density import density, moments, scatter
from thermohw.report.figures.images import grids
from thermohw.report.figures.traces import fan
from thermohw.report.overview import Headline, headline, score_words, title, wiring_words
from thermohw.report.page import render
from thermohw.report.unscored import unscored_page
from thermohw.report.verdicts import Verdicts
from thermohw.run.kinds import kind_of
from thermohw.store import RunReader

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["index"]

_SUFFIXES = {".h5", ".hdf5"}
_FAN_PATHS = 24
_SIDE = 6


@dataclass(frozen=True)
class RunCard:
    """One run at a glance; `problem` says why there is nothing to see."""

    name: str
    page: str
    title: str = ""
    words: str = ""
    headline: Headline | None = None
    verdicts: Verdicts | None = None
    picture: Any = None
    problem: str = ""
    quantity: str = "heat.total.kT"
    measure: str = "heat per sample"


def index(folder: Path, target: Path) -> str:
    """The HTML index of a folder.

    Args:
        folder: holds run files.
        target: where the index will lie; pages are looked for beside it.

    Raises:
        InputError: there is no run file in the folder.
    """
    files = sorted(p for p in folder.iterdir() if p.suffix in _SUFFIXES and p.is_file())
    if not files and (folder / "study.json").is_file():
        problem = "holds an unfinished study: go on with the same thermohw experiment run"
        raise InputError(problem, where=str(folder))
    if not files:
        raise InputError(
            "holds no run files (*.h5): give a run or a folder of runs", where=str(folder)
        )
    cards = [
        _card(file, target, i)
        for i, file in enumerate(tqdm(files, "reading runs", delay=2, disable=None))
    ]
    return render("index.html.j2", folder=folder.resolve().name, cards=cards)


def _card(path: Path, target: Path, number: int) -> RunCard:
    from thermohw.audit import audit

    beside = path.with_suffix(".html")
    # Quoted: the name of a file must not become an address of another kind.
    link = quote(os.path.relpath(beside, target.parent)) if beside.is_file() else ""
    try:
        verdicts = Verdicts.of(audit(path))
        with RunReader.open(path) as run:
            if kind_of(run.parameters) != "played":
                page = unscored_page(run, verdicts)
                picture = page["schedule"] or page["states"]
                shown = None if picture is None else renamed(picture, f"run{number}-")
                words = "no score: parameters and baths alone"
                return RunCard(
                    path.name, link, page["title"], words, page["headline"], verdicts, shown,
                    quantity=page["quantity"], measure=page["headline"].meaning,
                )  # fmt: skip
            facts = read_facts(run)
            samples = read_samples(run, facts, most=4096)
            traces = read_traces(run, facts, paths=_FAN_PATHS, frames=80)
        picture = _picture(facts, samples, traces, number)
        words = f"{wiring_words(facts)}, {score_words(facts)}"
        return RunCard(
            path.name, link, title(facts), words, headline(verdicts, facts), verdicts, picture
        )
    except InputError as error:
        return RunCard(path.name, link, problem=error.problem)
    except Exception as error:
        problem = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return RunCard(path.name, link, problem=problem)


def _picture(facts: Facts, samples: Samples, traces: Traces | None, number: int) -> Any:
    """Pictures, paths or samples, whichever suits the run; `number` keeps identifiers apart."""
    shape = None if facts.target is None else facts.target.image_shape
    if shape is not None:
        return grids(samples, shape, side=_SIDE)[0]
    if traces is not None:
        return fan(traces, samples, Clock.of(facts), name=f"fan{number}")
    if samples.generated.shape[1] == 1:
        scale = 1.0 if facts.target is None else facts.target.scale
        volts = facts.units["volts_per_unit"] / scale
        return density(samples, unit_volts=volts, name=f"density{number}")[0]
    two = samples.generated.shape[1] == 2
    return scatter(samples)[0] if two else moments(samples, facts.nodes)[0]
