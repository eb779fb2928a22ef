r"""A board of integrators that solves linear systems: what its matrix programs, in circuit terms.

The datasheet draws one integrator: an amplifier with plus at ground, a capacitor C around it, a
unit resistor R into its summing node. A solver has N of them. A matrix entry A_ij becomes a
resistor from output j to summing node i, of conductance |A_ij|/(a R) with a the largest entry; a
negative entry starts at the amplifier's complement (differential outputs). A converter drives every
unit resistor, a noise source every summing node:

    C dv = -(A/(a R)) v dt + (V_x/(a R)) b dt + sqrt(2 k T_eff/R) dW,     v = V_x x

In units of R C this is dx = -(A x - b)/a ds + sqrt(2/(a beta)) dW, whose steady law is
N(A^-1 b, A^-1/beta) with 1/beta = a (k T_eff/C)/V_x^2 (Aifer et al., arXiv:2308.05660; Donatella
et al., arXiv:2405.13817). The matrix has to be symmetric and positive definite. The slowest motion
takes R C a/lambda_min: the condition of the matrix is paid in time.

Everything else is imperfection, each with a switch (`ideal`):

    gain, bandwidth, slew, swing, offset, amplifier_noise     of the amplifiers
    resistors    conductances have `resistor_bits`; with a mismatch seed resistors and capacitors
                 spread by a third of their tolerance, offsets by their size
    converters   DAC and ADC have their bits over plus and minus full scale
    johnson      the resistors' own noise, which is not the noise that A^-1 asks for: a row's
                 strength is the sum of its conductances
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from thermohw.circuit.active import ActiveDevice, Amplifiers
from thermohw.circuit.active_build import amplifiers_of
from thermohw.circuit.active_law import require_stable
from thermohw.circuit.scale import Scale
from thermohw.circuit.solver_admission import (
    check_noise,
    check_range,
    checked_system,
    noise_volts,
)
from thermohw.circuit.solver_system import MappedSystem, quantise
from thermohw.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.datasheet import Datasheet

__all__ = ["IMPERFECTIONS", "SolverDevice"]

IMPERFECTIONS = (
    "gain",
    "bandwidth",
    "slew",
    "swing",
    "offset",
    "amplifier_noise",
    "resistors",
    "converters",
    "johnson",
)
"""What `ideal` switches off, one by one."""

_HEADROOM = 0.5  # share of the converters' range and of the swing that a solution may fill


@dataclass(frozen=True, eq=False)
class SolverDevice:
    """A board of N integrators and programmable resistors.

    Attributes:
        name: the datasheet's name.
        scale: R the unit resistor, C the integration capacitor, T the resistors'.
        size: N.
        stray: capacitance of a summing node to ground, farad.
        load: capacitance of an output node to ground, farad.
        datasheet: where the numbers came from.
    """

    name: str
    scale: Scale
    size: int
    stray: float
    load: float
    datasheet: Datasheet = field(repr=False)
    runs_with: ClassVar[str] = "th.Evolve(device, ..., solve={...}), or th.solve and th.invert"
    kinds: ClassVar[tuple[str, ...]] = ("evolve",)

    @staticmethod
    def from_datasheet(datasheet: Datasheet) -> SolverDevice:
        """The board of a datasheet with a [solver] table."""
        assert datasheet.solver is not None
        amplifier, resistor = datasheet.amplifiers[0], datasheet.resistors[0]
        own = {node.name: node.capacitance.value for node in datasheet.nodes}
        scale = Scale(
            capacitance=datasheet.capacitors[0].capacitance.value,
            resistance=resistor.resistance.value,
            temperature=resistor.temperature.value,
        )
        size = datasheet.solver.size
        stray, load = own[amplifier.minus], own[amplifier.output]
        return SolverDevice(datasheet.name, scale, size, stray, load, datasheet)

    def program(
        self,
        matrix: Any,
        vector: Any = None,
        *,
        noise: bool | float = False,
        ideal: bool | Iterable[str] = (),
        mismatch: int | None = None,
        volts: float | None = None,
    ) -> MappedSystem:
        """Set the board up for A x = b.

        Args:
            matrix: A, symmetric and positive definite, shape (N, N), N at most `size`.
            vector: b, shape (N,); None: zeros.
            noise: whether the noise sources run, or the rms voltage sqrt(k T_eff/C) they give,
                volt. True: the sheet's, less where a mode would leave the range.
            ideal: imperfections left out, names of IMPERFECTIONS; True for all.
            mismatch: seed of this board's spread; None: the nominal board.
            volts: V_x, volt per unit of x. Default: from |b|/lambda_min, which bounds x.

        Raises:
            InputError: a matrix that is not square, finite, symmetric or positive definite (with
                its eigenvalue), too large, or that the resistors round to an unstable one; volts
                that are not positive, or at which b or x leaves the range of converters and
                amplifiers; a negative mismatch seed.
        """
        solver, amplifier = self.datasheet.solver, self.datasheet.amplifiers[0]
        assert solver is not None
        a, b = checked_system(matrix, vector, self.size, self.name)
        off = _switches(ideal)
        lowest, largest = float(np.linalg.eigvalsh(a)[0]), float(np.abs(a).max())
        full_scale, n = solver.full_scale.value, len(b)
        reach = full_scale
        if amplifier.swing is not None and "swing" not in off:
            reach = min(reach, amplifier.swing.value)
        if volts is not None and not (np.isfinite(volts) and volts > 0.0):
            raise InputError(f"{volts!r}: expected a positive voltage", where="volts")
        if volts is None:
            bound = max(float(np.abs(b).max()) / largest, float(np.linalg.norm(b)) / lowest)
            volts = _HEADROOM * reach / bound if bound > 0.0 else reach
        rms = noise_volts(noise, solver.noise, _HEADROOM * reach / 4.0 * np.sqrt(lowest / largest))
        bounded = amplifier.swing is not None and not off & {"swing", "bandwidth"}
        converters = np.inf if "converters" in off else full_scale
        swing = amplifier.swing.value if bounded and amplifier.swing else np.inf
        check_range(a, b, volts, converters, swing)
        check_noise(rms * np.sqrt(largest / lowest), min(converters, swing))
        if mismatch is not None and mismatch < 0:
            raise InputError(f"{mismatch}: expected a seed of at least 0", where="mismatch")
        spread = None if mismatch is None or "resistors" in off else mismatch
        conductance = a / largest
        if "resistors" not in off and solver.resistor_bits is not None:
            steps = 2**solver.resistor_bits - 1
            conductance = np.round(conductance * steps) / steps
        dac_bits = None if "converters" in off else solver.dac_bits
        inputs = quantise(-volts * b / largest, dac_bits, full_scale)
        device = self._circuit(conductance, off, spread)
        device = replace(device, strengths=np.full(n, 2.0 * (rms / self.scale.voltage) ** 2))
        count = len(device.elements) - n
        actual = np.zeros((n, n))
        rows, columns = np.nonzero(conductance)
        actual[rows, columns] = np.sign(conductance[rows, columns]) * device.coefficients[:count]
        return MappedSystem(
            matrix=a,
            vector=b,
            realised=largest * actual,
            device=require_stable(device),
            sources=np.concatenate([np.zeros(count), inputs / self.scale.voltage]),
            volts=volts,
            largest=largest,
            noise=rms,
            adc_bits=None if "converters" in off else solver.adc_bits,
            full_scale=full_scale,
        )

    def _circuit(
        self, conductance: NDArray[Any], off: frozenset[str], spread: int | None
    ) -> ActiveDevice:
        """N integrators: coordinates are N summing nodes, N outputs, N complements."""
        n = len(conductance)
        rng = None if spread is None else np.random.default_rng(spread)
        rows, columns = np.nonzero(conductance)
        count = len(rows)
        directions = np.zeros((count + n, 3 * n))
        directions[np.arange(count + n), np.concatenate([rows, np.arange(n)])] = 1.0
        start = np.where(conductance[rows, columns] > 0.0, n, 2 * n) + columns
        directions[np.arange(count), start] = -1.0
        sheet = self.datasheet
        resistors = np.concatenate([np.abs(conductance[rows, columns]), np.ones(n)])
        resistors = resistors / _spread(rng, sheet.resistors[0].resistance.tolerance, count + n)
        caps = _spread(rng, sheet.capacitors[0].capacitance.tolerance, n)
        unit = self.scale.capacitance
        storage = np.diag(np.repeat([self.stray / unit, self.load / unit, self.load / unit], n))
        for i, c in enumerate(caps):
            ends = [i, n + i]
            storage[np.ix_(ends, ends)] += c * np.array([[1.0, -1.0], [-1.0, 1.0]])
        names = [f"{kind}[{i}]" for kind in ("sum", "out", "not") for i in range(n)]
        index = {name: i for i, name in enumerate(names)}
        one = self.datasheet.amplifiers[0]
        cells = [
            replace(one, name=f"{one.name}[{i}]", minus=names[i], output=names[n + i],
                    complement=names[2 * n + i])
            for i in range(n)
        ]  # fmt: skip
        amplifiers = _switched(amplifiers_of(cells, index, self.scale), off)
        if rng is not None:
            amplifiers = replace(amplifiers, offset=amplifiers.offset * rng.standard_normal(n))
        cold = "johnson" in off
        return ActiveDevice(
            name=self.name,
            scale=self.scale,
            nodes=tuple(names),
            fluxes=(),
            storage=storage,
            structure=np.zeros((3 * n, 3 * n)),
            elements=(
                *(f"r[{i},{j}]" for i, j in zip(rows, columns, strict=True)),
                *(f"in[{i}]" for i in range(n)),
            ),
            directions=directions,
            coefficients=resistors,
            temperatures=np.zeros(count + n) if cold else np.ones(count + n),
            controlled=tuple(range(count, count + n)),
            transconductors=(),
            output_incidence=np.zeros((0, 3 * n)),
            control_incidence=np.zeros((0, 3 * n)),
            transconductances=np.zeros(0),
            amplifiers=amplifiers,
            injections=tuple(f"sum[{i}]" for i in range(n)),
            places=np.eye(n, 3 * n),
            strengths=np.zeros(n),
            datasheet=sheet,
        )


def _spread(rng: np.random.Generator | None, tolerance: float | None, count: int) -> NDArray[Any]:
    """Relative sizes; a tolerance is three standard deviations."""
    if rng is None:
        return np.ones(count)
    return 1.0 + (tolerance or 0.0) / 3.0 * rng.standard_normal(count)


def _switched(amps: Amplifiers, off: frozenset[str]) -> Amplifiers:
    """Amplifiers with some imperfections left out; without a pole nothing slews or saturates."""
    endless, nothing = np.full_like(amps.leak, np.inf), np.zeros_like(amps.leak)
    instant = "bandwidth" in off
    return replace(
        amps,
        leak=nothing if "gain" in off else amps.leak,
        rate=endless if instant else amps.rate,
        slew=endless if instant or "slew" in off else amps.slew,
        swing=endless if instant or "swing" in off else amps.swing,
        offset=nothing if "offset" in off else amps.offset,
        noise=nothing if instant or "amplifier_noise" in off else amps.noise,
    )


def _switches(ideal: bool | Iterable[str]) -> frozenset[str]:
    if isinstance(ideal, bool):
        return frozenset(IMPERFECTIONS if ideal else ())
    names = frozenset([ideal] if isinstance(ideal, str) else ideal)
    if unknown := sorted(names - {*IMPERFECTIONS}):
        raise InputError(
            f"unknown imperfection '{unknown[0]}'; known: {', '.join(IMPERFECTIONS)}", where="ideal"
        )
    return names
