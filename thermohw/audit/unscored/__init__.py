"""The audit of runs without a score: programs and free runs, jumps of electrons, amplifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from thermohw.audit.kept import Kept
from thermohw.audit.record import Audit
from thermohw.audit.unscored.checks import distinct_paths, finite_values, first_law, medium_entropy
from thermohw.audit.unscored.evolve import EvolveKind
from thermohw.audit.unscored.free import FreeKind
from thermohw.audit.unscored.jumps import JumpsKind
from thermohw.audit.unscored.program import ProgramKind
from thermohw.audit.unscored.sums import Sums, gather, settings
from thermohw.audit.verdict import Check, not_applicable
from thermohw.estimate import FEWEST, HOLDS
from thermohw.integrate.free import PreparedFree
from thermohw.run.kinds import rebuild_any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from thermohw.store import RunReader

__all__ = ["UNSCORED", "audit_unscored", "kept_sums"]


class _Unplayed(NamedTuple):
    """What a kind must know of a run that has no file yet."""

    path: Path
    paths: int


def _driven(run: RunReader, parameters: dict[str, Any]) -> ProgramKind | FreeKind:
    """A program, or a circuit left to its noise sources."""
    made = rebuild_any(parameters, where=str(run.path)).prepare(run.paths)
    kind: Any = FreeKind if isinstance(made, PreparedFree) else ProgramKind
    return kind(run, parameters, made)


UNSCORED: dict[str, Any] = {"program": _driven, "jumps": JumpsKind, "evolve": EvolveKind}
"""Kind of a run by its file -> how an audit sees it."""


def kept_sums(parameters: dict[str, Any], path: Path, paths: int) -> Kept:
    """Sums that a run which keeps moments takes on its way.

    Args:
        parameters: that its file will have.
        path: of the file.
        paths: how many there will be.
    """
    kind: Any = UNSCORED[parameters["kind"]](_Unplayed(path, paths), parameters)
    return Kept(lambda: Sums(kind, paths), kind.blank)


# What can be said of a single path; the rest are means over them.
_BY_PATH = ("finite_values", "distinct_paths", "first_law", "kept_states", "answer", "limits")


def audit_unscored(run: RunReader, parameters: dict[str, Any]) -> Audit:
    """Hold a stored run without a score against its laws.

    Args:
        run: its file, complete.
        parameters: of the file.

    Raises:
        InputError: the file lacks what the run needs, or contradicts itself.
    """
    kind: Any = UNSCORED[parameters["kind"]](run, parameters)
    simulate = settings(run, parameters, kind)
    sums = gather(run, kind)
    makers: dict[str, Callable[[], Check]] = {
        "finite_values": lambda: finite_values(sums),
        "distinct_paths": lambda: distinct_paths(sums, run.paths),
        "first_law": lambda: first_law(sums, run.paths),
        "medium_entropy": lambda: medium_entropy(sums, kind),
        **kind.checks(sums),
    }
    sound = makers["finite_values"]().status == HOLDS
    by_path = (*_BY_PATH, *(() if kind.varies else ("medium_entropy",)))
    few = f"{run.paths} paths: a verdict on a mean needs {FEWEST}"
    checks = []
    for name, make in makers.items():
        if not sound and name != "finite_values":
            reason = "stored numbers are not finite, see finite_values"
            checks.append(not_applicable(name, reason))
        elif run.paths < FEWEST and name not in by_path:
            checks.append(not_applicable(name, few))
        else:
            checks.append(make())
    about = {
        "file": str(run.path),
        **kind.facts(),
        "paths": run.paths,
        "seed": simulate.get("seed"),
        "spec_sha256": run.spec_hash,
        "datasheet_sha256": parameters["datasheet"]["content_hash"],
        "provenance": dict(run.provenance),
    }
    return Audit(tuple(checks), kind.quantities(sums) if sound else {}, about)
