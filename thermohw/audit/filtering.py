r"""Is the run's filter the one of its circuit? Its update and prediction, done again.

    K = P- (P- + R)^-1,   P+ = (1 - K) P-,     P- = Phi P+ Phi^T + T Sigma        covariances
    m+ = m- + K (r - m-),                      m- = Phi m+ + sum of the pushes    means

A controller that filters noisy readings acts on m+, so the law is asked there (`gain`), and what
the run's twins measure they measure with the same filter: neither sees a wrong one. From the law of
the start, R, and Phi, Sigma and pushes of the device and schedule in the file, by another route
than the filter's own (`thermohw.thermo.kernels`), every kept estimate follows from its reading and
prediction, and every kept prediction from the estimate a tick before and the sources since.

No noise enters, so the two agree to rounding: a matrix product of n terms errs by at most about n
unit roundoffs of the sum of their sizes, for every piece of a tick; in float64 the two routes to K
and Phi differ by more, 1e-9 being far above that and far below what any wrong filter does. The
power is the relative error of K (r - m-), or of the pushes, that would have been called.
"""

from __future__ import annotations

from math import inf, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from thermohw.audit.verdict import Check, not_applicable
from thermohw.estimate import HOLDS, VIOLATED
from thermohw.thermo import Kernels
from thermohw.thermo.residuals import kept_ticks, source_scale
from thermohw.thermo.updates import pieces_before

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.audit.evidence import Evidence
    from thermohw.control import Piece

__all__ = ["reading_filter"]

_ROUNDOFF, _ROUTES = 2.0**-24, 1e-9


class _Gap(NamedTuple):
    """Kept numbers beside those done again."""

    what: str
    part: str
    slope: float  # of the difference on what the part adds
    distance: float  # rms, over the rms of the sizes that are added up
    allowed: float
    reach: float  # the slope that would have been called


def reading_filter(evidence: Evidence) -> Check:
    """Kept estimates and predictions against the Kalman filter of the file's own circuit."""
    name = "filter"
    if evidence.plan.reading_noise == 0.0:
        return not_applicable(name, "no noisy readings, so no filter")
    if not evidence.filter:
        return not_applicable(name, "the run kept no readings and predictions")
    gaps = _gaps(evidence)
    wrong = [gap for gap in gaps if not gap.distance <= gap.allowed]
    if wrong:
        worst = max(wrong, key=lambda gap: gap.distance / gap.allowed)
        detail = "; ".join(
            f"{gap.what} are not those of the circuit's Kalman filter: {gap.part} off by "
            f"{gap.slope:+.4%}, distance {gap.distance:.2g} of their size, where rounding explains "
            f"{gap.allowed:.2g}"
            for gap in wrong
        )
        return Check(name, VIOLATED, worst.slope, 0.0, None, detail, power=worst.reach)
    least = max(gaps, key=lambda gap: gap.reach)
    detail = "; ".join(
        f"{gap.what} are the Kalman filter's to {gap.distance:.1g} of their size ({gap.part} seen "
        f"if {gap.reach:.1g} off)"
        for gap in gaps
    )
    return Check(name, HOLDS, least.slope, 0.0, None, detail, power=least.reach)


def _gaps(evidence: Evidence) -> list[_Gap]:
    """Of estimates, and of predictions."""
    plan, device = evidence.plan, evidence.plan.protocol.board
    unit = {name: device.effort_scale for name in evidence.filter}
    unit["source"] = source_scale(plan)
    kept = {name: table / unit[name] for name, table in evidence.filter.items()}
    circuit, arrived = _Circuit(evidence), {piece.applies for piece in plan.timeline}
    ticks, before = kept_ticks(plan.schedule.ticks).tolist(), pieces_before(plan)
    gains = circuit.gains(set(ticks))
    updates, predictions = [], []
    for slot, tick in enumerate(ticks):
        if tick not in arrived:
            continue
        row = {name: table[slot] for name, table in kept.items()}
        predicted, reading = row["predicted"], torch.from_numpy(row["reading"])
        surprise = plan.chain.sense.undo(reading).numpy() - predicted
        correction = surprise @ gains[tick].T
        sizes = np.abs(predicted) + np.abs(surprise) @ np.abs(gains[tick]).T
        updates.append((row["estimate"] - predicted - correction, correction, sizes))
        if tick == 0:
            start = np.broadcast_to(circuit.mean, predicted.shape)
            predictions.append((predicted - start, 0.0 * start, np.abs(start)))
        elif tick - 1 in arrived:
            rest, pushed, sizes = circuit.predict(row["before"], row["source"], before[slot])
            predictions.append((predicted - rest - pushed, pushed, sizes))
    steps = max(map(len, before), default=1)
    return [
        _gap("estimates", "the gain", updates, _allowed(evidence, 1)),
        _gap("predictions", "the push of the sources", predictions, _allowed(evidence, steps)),
    ]


def _allowed(evidence: Evidence, products: int) -> float:
    """What rounding explains, relative to the sizes that so many matrix products add up."""
    if evidence.simulate["dtype"] == "float64":
        return _ROUTES
    # n products, their sum, the rounded matrix, and the handful of vectors added.
    return (evidence.setting.device.dim + 8) * max(products, 1) * _ROUNDOFF


def _gap(what: str, part: str, rows: list[tuple[NDArray[np.float64], ...]], allowed: float) -> _Gap:
    gap, own, size = (np.concatenate([row[k].reshape(-1) for row in rows]) for k in range(3))
    scale, power = sqrt(float(np.square(size).mean())), sqrt(float(np.square(own).mean()))
    return _Gap(
        what,
        part,
        slope=float(gap @ own) / float(own @ own) if power > 0.0 else 0.0,
        distance=sqrt(float(np.square(gap).mean())) / scale if scale > 0.0 else float(gap.any()),
        allowed=allowed,
        reach=allowed * scale / power if power > 0.0 else inf,
    )


class _Circuit:
    """The filter of the device in a file, from its own kernels."""

    def __init__(self, evidence: Evidence) -> None:
        self._plan, self._kernels = evidence.plan, Kernels(evidence.plan, prompt=True)
        protocol, start = evidence.setting.protocol, evidence.start
        self.mean = protocol.to_thermal(start.mean)
        self._covariance = protocol.covariance_to_thermal(start.covariance)
        self._entry = self._inlet()

    def _inlet(self) -> NDArray[np.float64]:
        """What the sources push, f = u @ entry, shape (sources, n)."""
        kernels = self._kernels
        if kernels.feeds is None:
            return np.asarray(kernels.entry)
        entry = np.zeros((len(source_scale(self._plan)), kernels.order.size))
        for column, feed in zip(kernels.order.T, kernels.feeds, strict=True):
            if feed is not None:
                entry[feed, column] = kernels.entry[column]
        return entry

    def _whole(self, blocks: NDArray[np.float64]) -> NDArray[np.float64]:
        """A matrix from its blocks, shape (n, n)."""
        order = self._kernels.order
        matrix = np.zeros((order.size, order.size))
        matrix[order[:, :, None], order[:, None, :]] = blocks
        return matrix

    def gains(self, ticks: set[int]) -> dict[int, NDArray[np.float64]]:
        """K at every tick asked for, shape (n, n)."""
        noise = np.square(self._plan.reading_noise / np.asarray(self._plan.chain.sense.gain))
        covariance, n = self._covariance, len(self.mean)
        reading, found = np.diag(np.broadcast_to(noise, n)), {}
        laws: dict[float, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
        for piece in self._plan.timeline:
            if piece.reads:
                # K^T = (P + R)^-1 P, both symmetric
                gain = np.linalg.solve(covariance + reading, covariance).T
                if piece.tick in ticks:
                    found[piece.tick] = gain
                covariance = covariance - gain @ covariance
                covariance = 0.5 * (covariance + covariance.T)
            if piece.duration not in laws:
                kernel = self._kernels.at(piece.duration)
                laws[piece.duration] = self._whole(kernel.decay), self._whole(kernel.noise)
            decay, heat = laws[piece.duration]
            covariance = decay @ covariance @ decay.T + piece.temperature * heat
        return found

    def predict(
        self, mean: NDArray[np.float64], source: NDArray[np.float64], pieces: list[Piece]
    ) -> tuple[NDArray[np.float64], ...]:
        """(what is left of the mean, what the sources add to it, sizes that are added up) after
        some pieces, from means (paths, n) and sources (paths, pieces, sources).
        """
        rest, pushed, sizes = mean, 0.0 * mean, np.abs(mean)
        for place, piece in enumerate(pieces):
            kernel = self._kernels.at(piece.duration)
            decay, push = self._whole(kernel.decay), self._whole(kernel.push[0])
            response, u = self._entry @ push.T, source[:, place]
            rest, pushed = rest @ decay.T, pushed @ decay.T + u @ response
            sizes = sizes @ np.abs(decay).T + np.abs(u) @ np.abs(response)
        return rest, pushed, sizes
