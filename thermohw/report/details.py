"""How the run was made: device, protocol, limits, provenance, as pairs of term and words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thermohw.report.numerals import count, plain, quantity
from thermohw.report.overview import process_words, score_words, wiring_words
from thermohw.units import K_B, amount

if TYPE_CHECKING:
    from thermohw.report.facts import Facts
    from thermohw.report.verdicts import Verdicts

__all__ = ["Limit", "limits", "protocol", "provenance"]

Pairs = list[tuple[str, str]]
Limit = tuple[str, str, str, float | None]
_CLOCK = "clock: time is stretched at fixed R and T"
_CONVERTERS = (("adc", "reading converter (ADC)"), ("dac", "source converter (DAC)"))


def protocol(facts: Facts, verdicts: Verdicts) -> Pairs:
    """What was played, on what, and how."""
    settings, schedule, units = facts.protocol, facts.schedule, facts.units
    temperatures = sorted({bath.value for bath in facts.sheet.baths.values()})
    seconds, unit = float(schedule["duration"]), units["volts_per_unit"]
    constants = f"{plain(seconds / units['time'], 4)} RC of {quantity(units['time'], 's')}"
    thermal = f"thermal voltage √(kT/C) {quantity(units['voltage'], 'V', 4)}"
    effective = quantity(_effective(facts), "K")
    pairs = [
        ("device", _device(facts)),
        ("temperature", ", ".join(f"{plain(t, 4)} K" for t in temperatures)),
        ("process", process_words(facts)),
        ("score", score_words(facts)),
        ("wiring and clocking", wiring_words(facts)),
        ("how g(t) is made", str(schedule.get("realisation", _CLOCK))),
        ("grid", f"{count(facts.ticks)} ticks, {schedule['grid']}; stepper {schedule['stepper']}"),
        ("duration", f"{quantity(seconds, 's')} a sample, {constants}"),
        (
            "volts per model unit V₀",
            f"{quantity(unit, 'V', 4)}; {thermal}, θ = {plain(units['theta'], 4)}",
        ),
        ("noise temperature of V₀", f"{effective}, at which kT/C noise alone would fill one unit"),
    ]
    for name, words in _CONVERTERS:
        if settings.get(f"{name}_bits"):
            pairs.append((words, f"{settings[f'{name}_bits']} bits{_range(name, facts, verdicts)}"))
    for name, unit in (("reading_noise", "V"), ("latency", "s")):
        if settings.get(name):
            pairs.append((name.replace("_", " "), quantity(amount(settings[name], unit), unit)))
    if settings.get("filter", "none") != "none":
        pairs.append(("filter", f"{settings['filter']}: the score sees the filtered reading"))
    pairs += [
        ("start", _start(facts)),
        (
            "samples",
            f"{count(facts.paths)}, seed {facts.simulate['seed']}, {facts.simulate['dtype']}",
        ),
    ]
    return pairs


def limits(facts: Facts) -> list[Limit]:
    """(what, largest reached, allowed, fraction of the limit); the binding one first."""
    if facts.peaks is None:
        return []
    granted = facts.sheet.limits.values()
    rows: list[tuple[str, float, str, float | None]] = [
        ("node voltage (rail)", facts.peaks["voltage"], "V", granted.get("rail")),
        ("current", facts.peaks["current"], "A", granted.get("current")),
        ("rate of a node (slew)", facts.peaks["rate"], "V/s", granted.get("slew")),
    ]
    if facts.wiring == "emf":
        scale = granted.get("dac_full_scale")
        rows.append(("source voltage (DAC full scale)", facts.peaks["source"], "V", scale))
    table = [
        (what, quantity(peak, unit), "no limit given" if most is None else quantity(most, unit),
         None if most is None else peak / most)
        for what, peak, unit, most in rows
    ]  # fmt: skip
    return sorted(table, key=lambda row: -(row[3] or 0.0))


def provenance(facts: Facts) -> Pairs:
    """Versions and hashes."""
    pairs = [(name, str(value)) for name, value in sorted(facts.provenance.items())]
    pairs += [(f"sha256 of the {name}", value) for name, value in facts.hashes.items()]
    return pairs


def _device(facts: Facts) -> str:
    sheet = facts.sheet
    array = " × ".join(map(str, sheet.shape))
    total = len(facts.nodes)
    parts = [f"{count(total)} node{'s' if total > 1 else ''}"]
    if array:
        parts.append(f"array of {array}")
    kinds = [
        ("R", "ohm", [r.resistance.value for r in sheet.resistors]),
        ("C", "F", [n.capacitance.value for n in sheet.nodes]),
        ("L", "H", [item.inductance.value for item in sheet.inductors]),
    ]
    shown = [f"{letter} = {quantity(v[0], unit)}" for letter, unit, v in kinds if v]
    parts.append(", ".join(shown))
    if any(len(set(values)) > 1 for _, _, values in kinds):
        parts[-1] += " (the first of each)"
    return f"{sheet.name}: {', '.join(parts)}"


def _effective(facts: Facts) -> float:
    """C V0^2/k: the temperature at which thermal noise has one model unit's variance, kelvin."""
    return facts.units["energy"] / (K_B * facts.units["theta"])


def _start(facts: Facts) -> str:
    kinds = {
        "marginal": "drawn from the exact law at the end of noising",
        "prior": f"drawn from the prior ({facts.simulate['prior']})",
        "state": "one fixed state",
    }
    kind = str(facts.start["kind"])
    words = kinds.get(kind, kind)
    cost = float(facts.start["preparation"])
    return f"{words}; preparing it takes at least {plain(cost, 3)} kT, not included in the heat"


def _range(converter: str, facts: Facts, verdicts: Verdicts) -> str:
    """Its ends, in words: those of the SPEC, else the default ones that the audit worked out."""
    given = facts.protocol.get(f"{converter}_range")
    if given is not None:
        unit = "V" if converter == "adc" else facts.source_unit
        low, high = (quantity(amount(end, unit), unit) for end in given)
        return f" from {low} to {high}"
    ends = [verdicts.get(f"protocol.{converter}_range.{end}") for end in ("low", "high")]
    known = [quantity(q.value, q.unit) for q in ends if q is not None and q.value is not None]
    return f" from {known[0]} to {known[1]}, its default range" * (len(known) == 2)
