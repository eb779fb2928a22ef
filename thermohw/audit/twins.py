r"""What a run's twins measured: how far ticks and imperfections move a number or a law.

Twins (`thermohw.pipeline.twins`) share their noise: as the protocol says (a), with every
imperfection left out (i; a itself where there is none), and that with ticks half as long (h). A
number q of the samples is then moved by

    (q_a - q_i) + 2 (q_i - q_h)        imperfections, and the tick's own bias to first order

path by path, with the standard error of the paired difference. What the second term leaves is of
second order: a fraction of it of about eps = (tick) x (stiffest rate of the control loop), and no
more than all of it. A distance between laws is no linear functional: distances between twins bound
it by the triangle inequality,

    D(a, law) <= D(a, i) + 2 D(i, h),

the 2 from summing halves of halves. Their standard errors are those of resampled paths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from thermohw.audit.distance import sliced_square
from thermohw.audit.verdict import Quantity
from thermohw.estimate import Estimate
from thermohw.intake import parse_json

__all__ = ["Twins", "read_twins", "twin_quantities"]

if TYPE_CHECKING:
    from thermohw.audit.recorded import Recorded

_RESAMPLES = 40
_WORDS = {
    "sense": "the reading's front end",
    "adc": "the ADC",
    "delay": "latency",
    "score": "the control's gain and noise",
    "dac": "the DAC",
    "hold": "a held value's droop",
    "amplifier": "the amplifier",
    "node": "the node's own errors",
    "true_score": "an altered or learned score",
    "marginal": "the start",
}


@dataclass(frozen=True)
class Twins:
    """End states and ledgers of the twins of a run.

    Attributes:
        causes: what was left out, beside the tick.
        states: twin -> data coordinates of the end states, model units, shape (m, d).
        channels: twin -> ledger channel -> values, SI, shape (m,).
        step: tick x stiffest rate of the loop, at most 1: what is left of a first-order bias.
    """

    causes: tuple[str, ...]
    states: dict[str, NDArray[Any]]
    channels: dict[str, dict[str, NDArray[Any]]] = field(repr=False)
    step: float

    @property
    def ideal(self) -> str:
        """The twin without imperfections and with the run's own ticks."""
        return "ideal" if self.causes else "as_is"

    def shift(self, values: Callable[[str], NDArray[Any]]) -> Estimate:
        """How much ticks and imperfections move a mean.

        Args:
            values: twin -> one number a path, shape (m,).
        """
        as_is, ideal, halved = (values(name) for name in ("as_is", self.ideal, "halved"))
        return Estimate.from_paths((as_is - ideal) + 2.0 * (ideal - halved))

    def remainder(self, values: Callable[[str], NDArray[Any]]) -> float:
        """Size of what is of second order in the tick."""
        return self.step * abs(2.0 * float((values(self.ideal) - values("halved")).mean()))

    def distance(self) -> Estimate:
        """Bound on the distance of the run's law from the ideal one that ticks and imperfections
        explain, model units; W1 on the line, sliced W2 in more dimensions.
        """
        found = self._distance(slice(None))
        rng, count = np.random.default_rng(0), len(self.states["as_is"])
        again = [self._distance(rng.integers(count, size=count)) for _ in range(_RESAMPLES)]
        return Estimate(found, float(np.std(again, ddof=1)))

    def _distance(self, rows: Any) -> float:
        between = _between(self.states[self.ideal][rows], self.states["halved"][rows])
        total = 2.0 * (1.0 + self.step) * between
        if self.causes:
            total += _between(self.states["as_is"][rows], self.states[self.ideal][rows])
        return total

    def sizes(self, scale: float = 1.0) -> str:
        """Every cause with the distance that it alone moves the samples, in words."""
        parts = {name: name if len(self.causes) > 1 else "ideal" for name in self.causes}
        words = [
            f"{_WORDS[cause]} moves samples by "
            f"{_between(self.states['as_is'], self.states[twin]) * scale:.2g}"
            for cause, twin in parts.items()
        ]
        tick = 2.0 * _between(self.states[self.ideal], self.states["halved"]) * scale
        return ", ".join([*words, f"finite ticks by {tick:.2g}"])


def _between(x: NDArray[Any], y: NDArray[Any]) -> float:
    """W1 on the line, sliced W2 in more dimensions, of equally many points."""
    if x.shape[1] == 1:
        return float(np.abs(np.sort(x, axis=0) - np.sort(y, axis=0)).mean())
    return float(np.sqrt(sliced_square(x, y)))


def twin_quantities(recorded: Recorded) -> dict[str, Quantity]:
    """What ticks of half the length change: heat, and the samples' law."""
    twins = read_twins(recorded.parameters, recorded.step, recorded.data)
    target = recorded.setting.target
    if twins is None or target is None:
        return {}
    heats = [
        sum(x for channel, x in twins.channels[name].items() if channel.startswith("heat."))
        for name in (twins.ideal, "halved")
    ]
    note = "less that of ticks half as long, paired" + " (of the ideal twin)" * bool(twins.causes)
    states = twins.states[twins.ideal], twins.states["halved"]
    distance = "w1" if states[0].shape[1] == 1 else "sliced_w2"
    found = Estimate.paired(*map(np.asarray, heats)) * (1.0 / recorded.kt)
    return {
        "protocol.halving.heat.kT": Quantity.of(found, "kT", note),
        f"protocol.halving.{distance}": Quantity(
            _between(*states) * target.scale, None, "data unit", "to ticks half as long"
        ),
    }


def read_twins(parameters: Mapping[str, Any], step: float, columns: Sequence[int]) -> Twins | None:
    """The twins that a run stored; None where it stored none, or one of them could not run.

    Args:
        parameters: of the file.
        step: tick x stiffest rate of the loop.
        columns: coordinates that carry the data.
    """
    stored = parameters.get("twins", {})
    settings = parse_json(stored.get("settings", "{}"))
    if not settings or "refused" in settings:
        return None
    tables = {name: dict(table) for name, table in stored.items() if name != "settings"}
    states = {
        name: np.asarray(table.pop("state"), np.float64)[:, list(columns)]
        for name, table in tables.items()
    }
    return Twins(tuple(settings["causes"]), states, tables, min(step, 1.0))
