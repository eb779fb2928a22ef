"""What a sample costs, before a network is trained and before a path is simulated.

Counts of the electronics follow from the protocol exactly (`thermohw.bill`); the circuit's heat is
worked out, or measured on a pilot run (`thermohw.pipeline.expected`), which is told. Beside the
lines:

    in kT             the total over k T_ref: how far the electronics are above the physics
    free circuit      what remains where the circuit costs nothing; total over that is how many
                      times less a better circuit alone could ever cost (Amdahl)
    GPU               the same network's arithmetic on a data centre's board at a stated share of
                      its peak, and the share at which both cost the same
    what would help   the total again with half the ticks, a bit less, half the R C, half the width
                      of the network
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thermohw.audit.cost import line_quantity
from thermohw.audit.verdict import Quantity
from thermohw.bill import Bill, BillLine, Help, Operations, Tariff, make_bill, operations_of
from thermohw.bill.erasure import erasure_line, foretold
from thermohw.control import Plan, Protocol, make_plan
from thermohw.control.realisation import injected_work
from thermohw.errors import InputError
from thermohw.intake import whole
from thermohw.pipeline.admit import Admitted, admit, prior_kind
from thermohw.pipeline.energy_helps import helps_of
from thermohw.pipeline.energy_table import energy_table
from thermohw.pipeline.expected import ExpectedHeat, expected_heat, gaussian_heat
from thermohw.pipeline.spec import Spec, load_spec
from thermohw.prices import Prices, model, read_prices
from thermohw.score import Score
from thermohw.score.network.counts import (
    Counts,
    counts_of,
    is_formula,
    trunk_counts,
    trunk_of,
)
from thermohw.score.network.design import design
from thermohw.score.weights import load_score
from thermohw.units import engineering

if TYPE_CHECKING:
    from thermohw.score.network.trunk import Trunk
    from thermohw.target import Target

__all__ = ["EnergyBudget", "energy"]

_UNEVEN = 4.0  # shortest to mean tick, from which on it is told
GPU = "A100"
"""The board that a bill is compared with."""


@dataclass(frozen=True)
class EnergyBudget:
    """The bill of one sample of a protocol.

    Attributes:
        title: what is priced, in words.
        bill: its lines and totals, joule.
        heat: of the circuit, and how it was found; None where it could not be.
        kt: k T_ref, joule.
        gpu: the same arithmetic on a data centre's board, joule; None where nobody counted it.
        utilisation: share of its peak that was assumed.
        helps: what would help.
        notes: what else has to be said.
        run: what was priced, by key.
    """

    title: str
    bill: Bill
    heat: ExpectedHeat | None
    kt: float
    gpu: float | None
    utilisation: float
    helps: tuple[Help, ...]
    notes: tuple[str, ...] = ()
    run: Mapping[str, Any] = field(default_factory=dict)

    @property
    def quantities(self) -> dict[str, Quantity]:
        """The audit's dotted names; what is unpriced is None with the reason."""
        accounts = {"heat.total": None, f"work.{self.run['wiring']}": None}
        words = self.bill.heat.note
        if self.heat is not None:
            accounts = {"heat.total": self.heat.heat, f"work.{self.run['wiring']}": self.heat.work}
            accounts |= {f"heat.{bath}": heat for bath, heat in self.heat.baths.items()}
        found = {}
        for name, value in accounts.items():
            found[f"{name}.kT"] = Quantity.of(value, "kT", words)
            joule = None if value is None else value * self.kt
            found[f"{name}.J"] = Quantity.of(joule, "J", words)
        for line in (*self.bill.lines, *self.bill.totals):
            for unit in ("", ".J"):
                found[f"{line.name}{unit}"] = line_quantity(line)
        return found

    @property
    def basis(self) -> BillLine:
        """The total that ratios are taken of: everything, or what is priced of it."""
        whole_bill = self.bill.sample
        return whole_bill if whole_bill.value is not None else self.bill.priced

    @property
    def ratios(self) -> dict[str, float | None]:
        """Of `basis`; None where it, or what it is compared with, is not known."""
        total, heat = self.basis.value, self.bill.heat.value
        rest = None if total is None or heat is None else total - max(heat, 0.0)
        found: dict[str, float | None] = {
            "total.kT": None if total is None else total / self.kt,
            "free_circuit.J": rest,
            "free_circuit.ceiling": total / rest if rest and total else None,
            "gpu.J": self.gpu,
            "gpu.times": None,
            "gpu.break_even_utilisation": None,
        }
        if self.gpu is not None and total and self.electronics_are_priced:
            found["gpu.times"] = self.gpu / total
            found["gpu.break_even_utilisation"] = self.utilisation * self.gpu / total
        return found

    @property
    def electronics_are_priced(self) -> bool:
        """Whether the bill prices what a GPU's joules pay for: arithmetic, and moving weights."""
        score, memory = self.bill["cost.score"], self.bill["cost.memory"]
        return score.value is not None and (memory.value is not None or not memory.applies)

    def to_dict(self) -> dict[str, Any]:
        """Plain types, JSON-ready."""
        lines = (self.bill.heat, *self.bill.lines, *self.bill.totals)
        return {
            "quantities": {name: q.to_dict() for name, q in self.quantities.items()},
            "lines": {line.name: vars(line) | {"unit": "J"} for line in lines},
            "ratios": self.ratios,
            "helps": [vars(found) for found in self.helps],
            "notes": list(self.notes),
            "run": dict(self.run),
        }

    def to_json(self) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False)

    def __str__(self) -> str:
        return energy_table(
            self.title, self.run, self.bill, self.basis, self.ratios, self.helps, self.notes,
            self.utilisation,
        )  # fmt: skip


def energy(
    source: str | Path | Spec | Protocol,
    *,
    weights: str | Path | None = None,
    prices: str | Path | Prices | None = None,
    samples: int | None = None,
    utilisation: float = 0.4,
    overrides: Sequence[str] | Mapping[str, Any] = (),
    target: Target | None = None,
    start: str | None = None,
    prior: str = "schedule",
) -> EnergyBudget:
    """The whole bill of a sample, in seconds.

    Args:
        source: a SPEC (path, or name of a shipped one), or a `th.Protocol`.
        weights: trained weights of a network that the SPEC trains: a weights file, or a run file.
            Without them the heat is that of a Gaussian with the data's moments.
        prices: a price sheet (name or path) that stands before the datasheet's own prices.
        samples: drawn between two programmings of the weights; default the SPEC's simulate.paths.
        utilisation: share of its peak at which the GPU is compared, in (0, 1].
        overrides: of the SPEC, "key=value".
        target: the data of a protocol; default the exact score's own.
        start: of a protocol, as of `th.simulate`; a SPEC says it itself.
        prior: likewise.

    Raises:
        InputError: whatever is wrong with SPEC, weights or prices; bits or rates beyond what a
            price holds for.
    """
    if not 0.0 < utilisation <= 1.0:
        problem = f"{utilisation!r}: expected a share of the peak in (0, 1]"
        raise InputError(problem, where="utilisation")
    if samples is not None:
        samples = whole(samples, 1, "samples")
    sheet = prices if prices is None or isinstance(prices, Prices) else read_prices(prices)
    if isinstance(source, Protocol):
        asked = _of_protocol(source, target, start, prior)
    else:
        spec = source if isinstance(source, Spec) else load_spec(str(source), overrides)
        asked = _of_spec(spec, weights)
        samples = spec.tables.simulate.paths if samples is None else samples
    return _budget(asked, sheet, samples, utilisation)


@dataclass(frozen=True)
class _Priceable:
    """What is to be priced."""

    title: str
    plan: Plan
    heat: ExpectedHeat | None
    counts: Counts | None
    exact: bool
    trunk: Trunk | None
    target: Target | None
    start: str | None
    prior: str
    run: dict[str, Any]
    notes: tuple[str, ...] = ()


def _of_protocol(
    protocol: Protocol, target: Target | None, start: str | None, prior: str
) -> _Priceable:
    plan, score = make_plan(protocol, refuse=False), protocol.score
    found = expected_heat(protocol, target, start=start, prior=prior)
    return _Priceable(
        protocol.device.name, plan, found, counts_of(score), is_formula(score), trunk_of(score),
        target,
        start, prior, _described(plan),
    )  # fmt: skip


def _of_spec(spec: Spec, weights: str | Path | None) -> _Priceable:
    known, table = admit(spec), spec.tables.score
    start, prior = spec.tables.simulate.start, prior_kind(spec)
    try:
        score, trunk = _score(known, table, weights)
    except InputError as error:
        raise InputError(str(error), where=spec.where) from error
    played: Any = score if score is not None else _Stand(known)
    protocol = Protocol(known.device, known.process, played, **known.settings)
    plan = make_plan(protocol, refuse=False)
    notes: tuple[str, ...] = ()
    if score is None:
        heat = gaussian_heat(plan, known.target, start=start, prior=prior)
        counts, exact = None if trunk is None else trunk_counts(trunk), False
        notes = ("not trained yet: counts are exact, the heat is a Gaussian's; give --weights",)
    else:
        heat = expected_heat(protocol, known.target, start=start, prior=prior)
        counts, exact = counts_of(score), is_formula(score)
    run = _described(plan) | {"spec": spec.where, "target": known.target.name}
    return _Priceable(
        spec.where, plan, heat, counts, exact, trunk, known.target, start, prior, run, notes
    )


class _Stand:
    """As much of an untrained score as a plan asks about."""

    exact = False

    def __init__(self, known: Admitted) -> None:
        self.process, self.dim = known.process, known.target.dim
        self.narrowest, self.target = known.target.narrowest, known.target


def _score(
    known: Admitted, table: Any, weights: str | Path | None
) -> tuple[Score | None, Trunk | None]:
    """The score, where it exists, and the shape of its network."""
    if table.kind == "exact":
        if weights is not None:
            raise InputError("an exact score has no weights", where="weights")
        score = known.target.score(known.process).scaled(known.scale)
        return score, None
    if table.kind == "file" and weights is None:
        weights = table.path
    if weights is None:
        head = design(known.target, known.process, table.architecture)
        return None, _head_trunk(head)
    loaded = _loaded(weights, known)
    return loaded.scaled(known.scale), trunk_of(loaded)


def _loaded(weights: str | Path, known: Admitted) -> Score:
    """Of a weights file or of a stored run."""
    path = Path(weights)
    if path.suffix in (".h5", ".hdf5"):
        from thermohw.run.setting import rebuild
        from thermohw.store import RunReader, one_line, required

        with one_line(path), RunReader.open(path) as run:
            setting = rebuild(required(run.parameters, str(path)), where=str(path))
        score = setting.score
        if trunk_of(score) is None:
            raise InputError("the run has no network", where=str(path))
        if score.process != known.process or score.dim != known.target.dim:
            raise InputError(
                "the network of the run is of another process or dimension", where=str(path)
            )
        return getattr(score, "base", score)
    return load_score(path, known.process)


def _head_trunk(head: Any) -> Trunk:
    return getattr(head, "inner", head).trunk


def _described(plan: Plan) -> dict[str, Any]:
    protocol, schedule = plan.protocol, plan.schedule
    return {
        "device": protocol.device.name,
        "process": protocol.process.kind,
        "wiring": protocol.wiring,
        "control": protocol.control,
        "grid": schedule.grid,
        "ticks": schedule.ticks,
        "seconds": plan.seconds,
        "kT": protocol.device.scale.energy,
    }


def _budget(
    asked: _Priceable, prices: Prices | None, samples: int | None, utilisation: float
) -> EnergyBudget:
    plan = asked.plan
    kt = plan.protocol.device.scale.energy
    tariff = Tariff(plan.protocol.device.datasheet, prices)
    operations = operations_of(plan, asked.counts, exact=asked.exact)
    heat = _heat_line(asked.heat, kt)
    erasure = erasure_line(plan, foretold(plan, asked.target, asked.start, asked.prior))
    found = make_bill(operations, tariff, heat=heat, erasure=erasure, samples=samples)

    def again(do: Operations) -> Bill | None:
        try:
            return make_bill(do, tariff, heat=heat, erasure=erasure, samples=samples)
        except InputError:  # beyond what a price holds for
            return None

    gpu = None
    if asked.counts is not None:
        price = model("mac", "gpu", part=GPU, type="fp16", utilisation=utilisation).price()
        gpu = price.value * asked.counts.macs * operations.ticks
    return EnergyBudget(
        asked.title, found, asked.heat, kt, gpu, utilisation,
        tuple(helps_of(operations, asked.trunk, found, tariff, again)),
        (*asked.notes, *_rates(operations), *_driven(plan, kt)),
        asked.run | {"prices": None if prices is None else prices.name, "samples": samples},
    )  # fmt: skip


def _rates(do: Operations) -> list[str]:
    """What the shortest tick asks of converters, where ticks are far from equal."""
    mean = do.ticks / do.seconds if do.seconds > 0.0 else 0.0
    if not do.clocked or do.rate <= _UNEVEN * mean:
        return []
    rate, usual = engineering(do.rate, "Hz"), engineering(mean, "Hz")
    return [f"the shortest tick asks {rate} of every converter, the mean one {usual}"]


def _driven(plan: Plan, kt: float) -> list[str]:
    """What injected noise drives through the resistors besides, which is not in heat.total."""
    work = injected_work(plan)
    if work is None:
        return []
    joule = engineering(work * kt, "J", 2)
    words = f"the injected noise itself drives {joule} through the resistors"
    return [f"heat.total is that at effective temperature; {words} (work.injected), in no line"]


def _heat_line(heat: ExpectedHeat | None, kt: float) -> BillLine:
    if heat is None:
        reason = "coupled nodes: no closed form, and the network that would drive them is missing"
        return BillLine("heat.total", None, None, None, "", "", None, reason)
    value, error = heat.heat.value * kt, heat.heat.stderr * kt
    if heat.guessed:  # of another law: how far off nobody knows
        return BillLine("heat.total", value, None, None, heat.method, "", "projected", heat.method,
                        stderr=error)  # fmt: skip
    evidence = "simulated" if heat.baths else "derived"
    return BillLine(
        "heat.total", value, value - 3.0 * error, value + 3.0 * error, heat.method,
        "", evidence, heat.method, stderr=error,
    )  # fmt: skip
