"""A linear system as a board of integrators carries it: circuit, sources, scales, readings.

The unknown x stands as a voltage v = V_x x at the outputs; converters with a resolution set the
sources and read the outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit.active import ActiveDevice

__all__ = ["MappedSystem", "quantise"]


@dataclass(frozen=True, eq=False)
class MappedSystem:
    """A linear system on the board: A x = b as a circuit.

    Attributes:
        matrix: A as asked for, shape (N, N).
        vector: b as asked for, shape (N,).
        realised: A as the resistors have it, shape (N, N).
        device: the circuit.
        sources: e (K,), thermal units, as the converters set them.
        volts: V_x, volt per unit of x.
        largest: a, the entry that one unit conductance stands for.
        noise: rms voltage sqrt(k T_eff/C) in use, volt; 0 without noise sources.
        adc_bits: of readings; None for exact ones.
        full_scale: of the converters, volt.
    """

    matrix: NDArray[Any]
    vector: NDArray[Any]
    realised: NDArray[Any]
    device: ActiveDevice
    sources: NDArray[Any]
    volts: float
    largest: float
    noise: float
    adc_bits: int | None
    full_scale: float

    @property
    def dim(self) -> int:
        """N, the number of unknowns."""
        return len(self.vector)

    @property
    def unit(self) -> float:
        """V_x in thermal volts."""
        return self.volts / self.device.scale.voltage

    @property
    def outputs(self) -> slice:
        """The efforts that carry v."""
        return slice(self.dim, 2 * self.dim)

    @property
    def temperature(self) -> float:
        """1/beta, the variance scale of x: Cov(x) = A^-1/beta for ideal parts."""
        return self.largest * (self.noise / self.volts) ** 2

    @property
    def slowest(self) -> float:
        """R C a/lambda_min of the matrix as asked for, second."""
        return self.device.scale.time * self.largest / float(np.linalg.eigvalsh(self.matrix)[0])

    def read_exact(self, efforts: NDArray[Any]) -> NDArray[Any]:
        """x of efforts (..., n) without converters: shape (..., N)."""
        return efforts[..., self.outputs] / self.unit

    def read(self, efforts: NDArray[Any]) -> NDArray[Any]:
        """x as the converters read it from efforts (..., n): shape (..., N)."""
        volts = efforts[..., self.outputs] * self.device.scale.voltage
        return quantise(volts, self.adc_bits, self.full_scale) / self.volts


def quantise(volts: NDArray[Any], bits: int | None, full_scale: float) -> NDArray[Any]:
    """Mid-tread converter of 2^bits codes over plus and minus full scale, clipped."""
    if bits is None:
        return volts
    step = 2.0 * full_scale / 2**bits
    half = 2 ** (bits - 1)
    return np.clip(np.round(volts / step), -half, half - 1) * step
