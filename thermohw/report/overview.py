"""The first screen: what one sample cost, what was run, and whether the laws hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thermohw.report.numerals import count, measured, plain, quantity, rounded

if TYPE_CHECKING:
    from thermohw.report.facts import Facts
    from thermohw.report.verdicts import Verdicts

__all__ = ["Headline", "Stat", "headline", "process_words", "score_words", "title", "wiring_words"]

_PROCESSES = {
    "ou": "Ornstein-Uhlenbeck process",
    "vp": "variance-preserving process",
    "ve": "variance-exploding process",
    "relaxation": "the device's own relaxation",
    "langevin": "Langevin process of the circuit's mirror image, data on its quiet coordinates",
}


@dataclass(frozen=True)
class Stat:
    """A small number beside the large one."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Headline:
    """The one number that matters.

    Attributes:
        energy: joules per sample, without error, large.
        error: its standard error in words, "" without.
        kt: the same in kT with its error.
        value: kT as a number; None where unknown.
        meaning: what it is, in words.
        stats: what else to know at a glance.
    """

    energy: str
    error: str
    kt: str
    value: float | None
    meaning: str
    stats: tuple[Stat, ...]


def title(facts: Facts) -> str:
    """What was generated on what."""
    what = "a score without data" if facts.target is None else facts.target.name
    return f"{what[:1].upper()}{what[1:]} on {facts.sheet.name}"


def headline(verdicts: Verdicts, facts: Facts) -> Headline:
    """Heat per sample, in joules and kT."""
    kt = facts.units["energy"]
    heat = verdicts.get("heat.total.kT")
    if heat is None or heat.value is None:
        return Headline(
            "unknown", "", "", None, "heat per sample: the audit lacks it", _stats(verdicts, facts)
        )
    meaning = "heat released into the baths for each sample"
    if heat.value < 0.0:
        meaning = "heat for each sample; negative: drawn from the baths, which the run cools"
    real = verdicts.get("heat.calorimetric.kT")
    if real is not None and real.value is not None:  # injected noise: what a calorimeter would see
        meaning = (
            "heat for each sample as if the bath had the effective temperature of the injected "
            f"noise; the resistors give off {measured(real.value, real.stderr, 'kT')}, injected "
            "noise included"
        )
    energy, error = rounded(heat.value * kt, None if heat.stderr is None else heat.stderr * kt)
    return Headline(
        energy,
        f"± {error}" if error else "",
        measured(heat.value, heat.stderr, "kT"),
        heat.value,
        meaning,
        _stats(verdicts, facts),
    )


def process_words(facts: Facts) -> str:
    """The forward process with its parameters."""
    table = facts.process.to_dict()
    numbers = {k: v for k, v in table.items() if isinstance(v, float | int) and v is not True}
    named = ", ".join(f"{name} = {plain(float(value), 4)}" for name, value in numbers.items())
    words = _PROCESSES.get(facts.process.kind, facts.process.kind)
    return f"{words} ({named})" if named else words


def score_words(facts: Facts) -> str:
    """Where the score comes from."""
    kind = "exact score" if facts.score["kind"] == "exact" else "learned score (network)"
    scale = facts.score["scale"]
    return kind if scale == 1.0 else f"{kind}, multiplied by {plain(scale)}"


def wiring_words(facts: Facts) -> str:
    """Wiring and clocking."""
    source = "source in series with each resistor" if facts.wiring == "emf" else "injected current"
    held = "held between ticks" if facts.clocked else "following the noise continuously"
    return f"{facts.wiring} wiring ({source}), {facts.protocol['control']} ({held})"


def _stats(verdicts: Verdicts, facts: Facts) -> tuple[Stat, ...]:
    stats = [
        Stat("time per sample", quantity(float(facts.schedule["duration"]), "s"), "on the device")
    ]
    work = verdicts.get(f"work.{facts.wiring}.kT")
    if work is not None:
        stats.append(Stat("work of the sources", measured(work.value, work.stderr, "kT")))
    names = ("nll.data.ode.bits_per_dim", "nll.data.ode", "nll.ode.bits_per_dim", "nll.ode")
    for name, label in ((name, "held-out data") for name in names):
        nll = verdicts.get(name)
        if nll is not None:
            unit = "bits/dim" if name.endswith("dim") else "nats"
            stats.append(
                Stat(label, measured(nll.value, nll.stderr, unit), "negative log-likelihood")
            )
            break
    for name, label in (("quality.w1", "distance W₁"), ("quality.sliced_w2", "sliced distance W₂")):
        distance = verdicts.get(name)
        if distance is not None:
            floor = verdicts.get(f"{name}.floor")
            note = (
                "of samples to data"
                if floor is None
                else f"the right law: {measured(floor.value, floor.stderr)}"
            )
            stats.append(Stat(label, measured(distance.value, distance.stderr), note))
            break
    stats.append(Stat("samples", count(facts.paths)))
    return tuple(stats)
