"""What a controller with noisy readings can know: the Kalman filter of the circuit.

Between readings a linear circuit with known inputs is linear and Gaussian, and the control is a
function of past readings only. So whatever the score does, the covariance of the voltages given the
readings is the Kalman covariance:

    reading n     K = P- (P- + R)^-1,  P+ = (1 - K) P-,  m+ = m- + K (r - m-)
                  I_n = (1/2) ln det(1 + P- R^-1)
    until n + 1   m- = Phi m+ + Gamma c,  P- = Phi P+ Phi^T + Sigma

I_n is the information that reading n adds about the voltages (nats): its sum is the transfer
entropy from circuit to controller. Exact when the start law is Gaussian; else the mean is the best
linear estimate. Voltages and variances in thermal units.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thermohw.circuit import node_moments, tick_moments

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice
    from thermohw.control.timeline import Piece

__all__ = ["KalmanFilter", "ReadingStatistics"]


class ReadingStatistics(NamedTuple):
    """The filter at one reading; covariances of the node voltages, shape (n, n), thermal units."""

    prior: NDArray[Any]
    posterior: NDArray[Any]
    gain: NDArray[Any]
    information: float


class KalmanFilter:
    """The filter along a whole timeline; its covariances are known before the run.

    Attributes:
        readings: one entry a tick.
        start_mean: mean voltages before the first reading, shape (n,).
        start_covariance: their covariance, shape (n, n).
        final_covariance: covariance at the end of the run given every reading, shape (n, n).
    """

    def __init__(
        self,
        device: LinearDevice,
        timeline: list[Piece],
        noise_variance: float | NDArray[Any],
        *,
        start_mean: NDArray[Any],
        start_covariance: NDArray[Any],
        wiring: str,
    ) -> None:
        self.start_mean, self.start_covariance = start_mean, start_covariance
        self.readings: list[ReadingStatistics] = []
        self._device, self._wiring = device, wiring
        covariance, n = start_covariance, device.dim
        row = np.broadcast_to(np.asarray(noise_variance, dtype=float), (n,))  # one reading a node
        reading = np.diag(row)
        known: dict[float, tuple[NDArray[Any], NDArray[Any]]] = {}
        for piece in timeline:
            if piece.reads:
                gain = covariance @ np.linalg.inv(covariance + reading)
                # Joseph's form keeps the posterior symmetric and positive.
                rest = np.eye(n) - gain
                posterior = rest @ covariance @ rest.T + (gain * row) @ gain.T
                _, log_det = np.linalg.slogdet(np.eye(n) + covariance / row)
                self.readings.append(ReadingStatistics(covariance, posterior, gain, 0.5 * log_det))
                covariance = posterior
            if piece.duration not in known:
                propagator, _, noise = _effort_moments(device, piece.duration, wiring)
                known = {piece.duration: (propagator, noise)}
            propagator, noise = known[piece.duration]
            covariance = propagator @ covariance @ propagator.T + noise * piece.temperature
        self.final_covariance = covariance

    def start(self, paths: int, like: torch.Tensor) -> torch.Tensor:
        """Predicted voltages before the first reading, shape (paths, n)."""
        return like.new_tensor(self.start_mean).expand(paths, -1).clone()

    def update(self, predicted: torch.Tensor, reading: torch.Tensor, tick: int) -> torch.Tensor:
        """Posterior mean voltages from predicted ones and a reading, all (paths, n)."""
        return predicted + _apply(self.readings[tick].gain, reading - predicted)

    def predict(self, mean: torch.Tensor, source: torch.Tensor, piece: Piece) -> torch.Tensor:
        """Mean voltages after a piece during which `source` (paths, sources) was applied."""
        propagator, response, _ = _effort_moments(self._device, piece.duration, self._wiring)
        return _apply(propagator, mean) + _apply(response, source)


def _apply(matrix: NDArray[Any], vectors: torch.Tensor) -> torch.Tensor:
    if matrix.shape == (1, 1):
        return vectors * float(matrix[0, 0])
    return vectors @ vectors.new_tensor(matrix.T)


def _effort_moments(
    device: LinearDevice, h: float, wiring: str
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Propagator, response to the controlled sources and noise covariance of the node voltages over
    h.
    """
    hessian = device.hessian
    if device.uncoupled:
        m = node_moments(device, h)
        response = m.from_source if wiring == "emf" else m.from_current
        ones = np.ones(device.dim)
        parts = (np.diag(m.decay * ones), np.diag(response * ones), np.diag(m.spread**2 * ones))
    else:
        moments = tick_moments(device, h)
        k = len(device.elements)
        columns = (
            list(device.controlled) if wiring == "emf" else list(range(k, moments.input.shape[1]))
        )
        parts = (moments.propagator, moments.input[:, columns], moments.end_covariance)
    return (
        hessian @ parts[0] @ device.capacitance,
        hessian @ parts[1],
        hessian @ parts[2] @ hessian.T,
    )
