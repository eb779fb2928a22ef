"""The page of one run: a pure function of a stored file and of the audit of it.

Everything is inside the one HTML file - style, figures, pictures - so that it can be mailed, kept
for years and opened without a network. A page runs nothing and fetches nothing, and says so to the
browser (Content-Security-Policy), because files may come from strangers. Equal files give equal
bytes: nothing depends on the clock, on the machine or on who looks.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from thermohw.report.clock import Clock
from thermohw.report.costs import costs
from thermohw.report.details import limits, protocol, provenance
from thermohw.report.energy import account, cell_grid, demon_terms, ledger
from thermohw.report.excerpts import read_film, read_samples, read_traces
from thermohw.report.facts import Facts, read_facts
from thermohw.report.figures.canvas import renamed
from thermohw.report.figures.cells import cell_map
from thermohw.report.figures.demon import demon_story
from thermohw.report.figures.density import density, moments, scatter
from thermohw.report.figures.images import film_strip, grids, levels
from thermohw.report.figures.rates import model_rates, physical_rates
from thermohw.report.figures.traces import fan, sources, voltages
from thermohw.report.known_law import comparison
from thermohw.report.likelihood import likelihood_groups, point_summary
from thermohw.report.numerals import measured, plain
from thermohw.report.overview import headline, score_words, title, wiring_words
from thermohw.report.unscored import unscored_page
from thermohw.report.verdicts import Verdicts
from thermohw.run.kinds import kind_of
from thermohw.store import RunReader, one_line

if TYPE_CHECKING:
    from pathlib import Path

    from jinja2 import Environment

    from thermohw.report.excerpts import Samples

__all__ = ["page", "render"]

# All that a page is allowed: its own styles and the pictures inside it.
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'"
)
_FAN_PATHS = 40
_PICTURES = 4  # rows of a film strip
_MOST_SIDE = 64  # pixels: larger pictures are shown fewer at a time


def page(path: Path, audit: Any) -> str:
    """The HTML page of a run.

    Args:
        path: a finished run file.
        audit: the audit of it: its JSON (mapping or text), or an object that has `to_json()`.

    Raises:
        StoreError: not a run file, damaged, unfinished, or of another program.
    """
    with one_line(path):  # what a stranger's file says may be anything
        with RunReader.open(path) as run:
            if kind_of(run.parameters) != "played":
                return render("unscored.html.j2", **unscored_page(run, Verdicts.of(audit)))
        return _page(path, Verdicts.of(audit))


def _page(path: Path, verdicts: Verdicts) -> str:
    with RunReader.open(path) as run:
        facts = read_facts(run)
        samples = read_samples(run, facts)
        traces = read_traces(run, facts, paths=_FAN_PATHS)
        shape = None if facts.target is None else facts.target.image_shape
        film = read_film(run, facts, paths=_PICTURES) if shape else None
    clock = Clock.of(facts)
    opening: Any = None
    if film is not None and shape is not None:
        opening = film_strip(film, samples, shape, clock)
    elif shape is None and traces is not None:
        opening = fan(traces, samples, clock)
    pictures = _pictures(samples, facts, shape)
    if opening is None:  # nothing was recorded on the way: the samples themselves open the page
        opening = pictures[0] if shape else renamed(pictures[0], "opening-")
    bars, zero = ledger(verdicts, facts)
    books, books_zero, law = account(verdicts, facts)
    system, scale = costs(verdicts, facts)
    return render(
        "page.html.j2",
        facts=facts,
        title=title(facts),
        headline=headline(verdicts, facts),
        driven=f"{wiring_words(facts)}, {score_words(facts)}",
        verdicts=verdicts,
        opening=opening,
        clock=clock,
        pictures=pictures,
        recorded=traces is not None,
        shades=[plain(level, 4) for level in levels(samples)],
        bitmap=shape is not None,
        traces=None
        if traces is None
        else [voltages(traces, clock), sources(traces, clock, facts.source_unit)],
        trace_node=None if traces is None else traces.where.capitalize(),
        bars=bars,
        zero=zero,
        books=books,
        books_zero=books_zero,
        law=law,
        kt=f"{plain(facts.units['energy'])} J",
        exact=samples.density is not None,
        costs=system,
        scale=scale,
        cells=_maps(verdicts, facts, samples),
        demon=demon_story(facts, clock),
        told=demon_terms(verdicts),
        rates=[p for p in (model_rates(facts, clock), physical_rates(facts, clock)) if p],
        likelihood=likelihood_groups(verdicts, facts),
        points=point_summary(facts),
        twin=comparison(verdicts, facts),
        protocol=protocol(facts, verdicts),
        limits=limits(facts),
        provenance=provenance(facts),
    )


def render(template: str, **content: Any) -> str:
    """Fill a template; the style sheet is put in by the template itself."""
    return _environment().get_template(template).render(**content)


def _maps(verdicts: Verdicts, facts: Facts, samples: Samples) -> list[Any]:
    """Heat of every cell of an array, and beside it how much the data vary there."""
    found = cell_grid(verdicts, facts)
    if found is None:
        return []
    resistor, heat = found
    caption = f"Mean per sample of each {resistor}; cells lie as the nodes do."
    maps = [cell_map(heat, name="cells", title="heat of every cell", unit="kT", caption=caption)]
    data = samples.held_out
    if data is not None and data.shape[1] == heat.size and len(data) > 1:
        spread = data.std(0).reshape(heat.shape)
        caption = "Held-out data, data units. A cell that must settle closely gives off more heat."
        title = "standard deviation of the data"
        maps.append(
            cell_map(spread, name="spread", title=title, unit="", caption=caption, colours="data")
        )
    return maps


def _pictures(samples: Samples, facts: Facts, shape: tuple[int, ...] | None) -> list[Any]:
    """Samples beside data, in the form that suits them."""
    if shape is not None:
        side = 8 if max(shape[:2]) <= _MOST_SIDE // 2 else 4
        return list(grids(samples, shape, side=side))
    dim = samples.generated.shape[1]
    if dim == 1:
        scale = 1.0 if facts.target is None else facts.target.scale
        return density(samples, unit_volts=facts.units["volts_per_unit"] / scale)
    return scatter(samples) if dim == 2 else moments(samples, facts.nodes)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    made = Environment(
        loader=PackageLoader("thermohw.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = resources.files("thermohw.report") / "templates" / "style.css"
    made.globals["measured"] = measured
    made.globals["policy"] = Markup(_POLICY)
    made.globals["style"] = Markup(style.read_text(encoding="utf-8"))
    return made
