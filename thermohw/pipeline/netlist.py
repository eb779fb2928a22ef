"""One path of a SPEC's run as a SPICE deck, and what ngspice makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from thermohw.errors import InputError
from thermohw.pipeline.build import build_setting, prior_kind
from thermohw.pipeline.observers import build_engine
from thermohw.spice import check_path, path_deck

if TYPE_CHECKING:
    from thermohw.pipeline.spec import Spec
    from thermohw.spice import PathCheck

__all__ = ["path_netlist"]


def path_netlist(
    spec: Spec,
    index: int = 0,
    *,
    out: Path | None = None,
    replay: bool = False,
    check: bool = False,
) -> PathCheck | None:
    """Write the deck of one path of a run, and compare with the simulator.

    Args:
        spec: of the run; its seed, start and precision count.
        index: which path, below simulate.paths.
        out: file to write.
        replay: play the recorded control even where behavioural sources could compute it.
        check: run ngspice.

    Returns:
        The comparison, or None without `check`.

    Raises:
        InputError: the spec, an index beyond the run, a file that cannot be written, or ngspice
            missing or failing.
    """
    simulate = spec.tables.simulate
    if not 0 <= index < simulate.paths:
        raise InputError(f"{index}: the run has paths 0 to {simulate.paths - 1}", where="--path")
    setting = build_setting(spec)
    settings = {"seed": simulate.seed, "start": simulate.start, "dtype": simulate.dtype}

    def engine():  # noqa: ANN202 - a fresh one each time: its observers are replaced
        return build_engine(setting, prior=prior_kind(spec), every=0, **settings)

    if out is not None:
        deck = path_deck(setting.protocol, index, replay=replay, engine=engine())[0]
        try:
            out.write_text(deck.text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}", where=str(out)) from error
    if not check:
        return None
    return check_path(setting.protocol, index, replay=replay, engine=engine())
