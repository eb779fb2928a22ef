r"""Is the run's filter the one of its circuit? Its update, prediction and information, done again.

    K = P- (P- + R)^-1,   P+ = (1 - K) P-,     P- = Phi P+ Phi^T + T Sigma        covariances
    m+ = m- + K (r - m-),                      m- = Phi m+ + sum of the pushes    means

A controller that filters noisy readings acts on m+, so the law is asked there (`gain`), and what
the run's twins measure they measure with the same filter: neither sees a wrong one. From the law of
the start, R, and Phi, Sigma and pushes of the device and schedule in the file, by another route
than the filter's own (`thermohw.books.kernels`), every kept estimate follows from its reading and
prediction, and every kept prediction from the estimate a tick before and the sources since.

What the readings told is a number of the same recursion, whatever the controller made of them; the
demon's account is settled with what the file says of it:

    I = sum over readings of (1/2) ln det P-/det P+ = (1/2) ln det(1 + M),  M = R^-1/2 P- R^-1/2
    log_det_change = (1/2) ln det P_N - (1/2) ln det P_0,     P_N the covariance at the end

with P+ = K R, in which nothing cancels. What a file says behind a converter nobody believes: that
bound is worked out anew (`thermohw.audit.information`).

No noise enters, so the two agree to rounding: a matrix product of n terms errs by at most about n
unit roundoffs of the sum of their sizes, for every piece of a tick; in float64 the two routes to K
and Phi differ by more, 1e-9 being far above that and far below what any wrong filter does. The
power is the relative error of K (r - m-), or of the pushes, that would have been called.

How noisy the readings really were, none of that sees: a filter handed noisier readings than R says
is still the filter, and the law is asked at what it made of them. Their surprises are: for any
linear filter E (r - m-)_i^2 = (P- + R)_ii, whatever the control and the start law's shape. The sums
of the squares along every path, averaged over paths, are held against that of the recursion, of
every coordinate and of all. Not so behind a converter, whose steps are no noise of known variance,
nor where sources remember, which the filter does not know.

Two routes to covariances, eps = 1e-9 of their size apart, differ by at most (eps/2) |M| tr (1 - K)
in the I of a reading, 1 - K being similar to (1 + M)^-1, and by (n/2) eps lambda_max/lambda_min in
(1/2) ln det P_N. Beside it stand the roundoffs of logarithms near 0, and of the eigenvalues of P_0.
A covariance whose smallest eigenvalue is uncertain by more than 1e-3 has no determinant to judge.
"""

from __future__ import annotations

from math import inf, isfinite, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from thermohw.audit.verdict import EXACT_READINGS, Check, not_applicable
from thermohw.books import Kernels
from thermohw.books.residuals import kept_ticks, source_scale
from thermohw.books.updates import pieces_before
from thermohw.estimate import FEWEST, HOLDS, VIOLATED, Estimate, judge, largest_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.audit.recorded import Recorded
    from thermohw.control import Piece

__all__ = ["reading_filter"]

_ROUNDOFF, _ROUTES = 2.0**-24, 1e-9
_SINGULAR = 1e-3  # relative error of an eigenvalue beyond which its logarithm is not judged
_EIGEN = 2.0**-50  # roundoff of an eigenvalue, of the largest, and of a logarithm of 1 + x


class _Gap(NamedTuple):
    """Kept numbers beside those done again."""

    slope: float  # of the difference on what is judged
    distance: float  # rms, over the rms of the sizes that are added up
    allowed: float
    reach: float  # the slope that would have been called
    right: str  # in words
    wrong: str


def reading_filter(recorded: Recorded) -> Check:
    """Kept estimates and predictions against the Kalman filter of the file's own circuit."""
    name = "filter"
    if recorded.plan.reading_noise == 0.0:
        exact = recorded.clocked and recorded.plan.adc is None
        return not_applicable(name, EXACT_READINGS if exact else "no noisy readings to filter")
    circuit = _Circuit(recorded)
    law = circuit.law(set(kept_ticks(recorded.plan.schedule.ticks).tolist()))
    gaps = _told(recorded, circuit, law)
    if recorded.filter:
        gaps = _gaps(recorded, circuit, law) + gaps
    wrong = [gap for gap in gaps if not gap.distance <= gap.allowed]
    surprise = _surprise(recorded, law)
    if wrong:
        worst = max(wrong, key=lambda gap: gap.distance / gap.allowed)
        detail = "; ".join(gap.wrong for gap in wrong)
        return Check(name, VIOLATED, worst.slope, 0.0, None, detail, power=worst.reach)
    if not recorded.filter:
        return not_applicable(name, "the run kept no readings and predictions")
    least = max(gaps, key=lambda gap: gap.reach)
    detail = "; ".join(gap.right for gap in gaps)
    if isinstance(surprise, str):
        detail += f"; {surprise}" * bool(surprise)
    else:
        status, off, text = surprise
        if status != HOLDS:
            return Check(name, status, off.value, 0.0, off.stderr, text, power=off.power())
        detail += f"; {text}"
    return Check(name, HOLDS, least.slope, 0.0, None, detail, power=least.reach)


class _Surprise(NamedTuple):
    """How far squares of reading less prediction are off."""

    status: str
    excess: Estimate
    text: str


def _surprise(recorded: Recorded, law: _Recursion) -> _Surprise | str:
    """The squares of reading less prediction against the recursion's; or why they are not held
    against it, in words.
    """
    plan, n = recorded.plan, recorded.paths
    table = recorded.filter.get("surprise")
    if plan.adc is not None:
        return "behind a converter the noise of readings does not show"
    if not plan.chain.lag.is_ideal:
        return "with sources that remember the noise of readings does not show"
    if table is None or n < FEWEST:
        return ""
    arrived = {piece.applies for piece in plan.timeline}
    means = np.sum([row for tick, row in enumerate(law.spread) if tick in arrived], axis=0)
    rows = [
        _excess(sums / n, n, float(mean))
        for sums, mean in zip(table, np.append(means, means.sum()), strict=True)
    ]
    *single, whole = rows
    found = [(whole, "all readings", 1)]
    if len(single) > 1:
        names = recorded.setting.device.coordinates
        found += [
            (one, f"readings of {name}", len(single))
            for one, name in zip(single, names, strict=True)
        ]
    families = min(len(found), 2)
    z = [largest_of(largest_of(one.z(), count), families) for one, _, count in found]
    most = int(np.argmax([abs(x) if isfinite(x) else inf for x in z]))
    status = judge(z[most])
    one, what, _ = found[0 if status == HOLDS else most]
    text = (
        f"squares of {what} less prediction are {one.value:+.3%} +- {one.stderr:.3%} off what "
        f"circuit and reading noise make them, z = {z[most]:+.2f} as the largest of {len(found)} "
        f"(of all readings seen if {whole.power(count=families):.2%} off)"
    )
    return _Surprise(status, one, text)


def _excess(powers: NDArray[np.float64], n: int, mean: float) -> Estimate:
    """Relative excess over `mean` of n paths' numbers, from the means of their first powers."""
    first, second, third = map(float, powers)
    square = max(second - first**2, 0.0)
    cube = third - 3.0 * first * second + 2.0 * first**3
    return (Estimate.from_sums(n, first, n * square, n * cube) - mean) * (1.0 / mean)


def _gaps(recorded: Recorded, circuit: _Circuit, law: _Recursion) -> list[_Gap]:
    """Of estimates, and of predictions."""
    plan, device = recorded.plan, recorded.plan.protocol.board
    unit = {name: device.effort_scale for name in recorded.filter}
    unit["source"] = source_scale(plan)
    kept = {
        name: table / unit[name] for name, table in recorded.filter.items() if name != "surprise"
    }
    arrived = {piece.applies for piece in plan.timeline}
    ticks, before = kept_ticks(plan.schedule.ticks).tolist(), pieces_before(plan)
    gains = law.gains
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
        _gap("estimates", "the gain", updates, _allowed(recorded, 1)),
        _gap("predictions", "the push of the sources", predictions, _allowed(recorded, steps)),
    ]


def _allowed(recorded: Recorded, products: int) -> float:
    """What rounding explains, relative to the sizes that so many matrix products add up."""
    if recorded.simulate["dtype"] == "float64":
        return _ROUTES
    # n products, their sum, the rounded matrix, and the handful of vectors added.
    return (recorded.setting.device.dim + 8) * max(products, 1) * _ROUNDOFF


def _gap(what: str, part: str, rows: list[tuple[NDArray[np.float64], ...]], allowed: float) -> _Gap:
    gap, own, size = (np.concatenate([row[k].reshape(-1) for row in rows]) for k in range(3))
    scale, power = sqrt(float(np.square(size).mean())), sqrt(float(np.square(own).mean()))
    slope = float(gap @ own) / float(own @ own) if power > 0.0 else 0.0
    distance = sqrt(float(np.square(gap).mean())) / scale if scale > 0.0 else float(gap.any())
    reach = allowed * scale / power if power > 0.0 else inf
    return _Gap(
        slope,
        distance,
        allowed,
        reach,
        f"{what} are the Kalman filter's to {distance:.1g} of their size ({part} seen if "
        f"{reach:.1g} off)",
        f"{what} are not those of the circuit's Kalman filter: {part} off by {slope:+.4%}, "
        f"distance {distance:.2g} of their size, where rounding explains {allowed:.2g}",
    )


def _told(recorded: Recorded, circuit: _Circuit, law: _Recursion) -> list[_Gap]:
    """Of the information acquired, and of what the covariance changed by; empty where the file does
    not say, or where nobody believes it.
    """
    facts, plan = recorded.information, recorded.plan
    if plan.adc is not None:
        return []
    n, found = len(circuit.mean), []
    if "acquired" in facts:
        nats, allowed = (float(sum(column)) for column in zip(*law.information, strict=True))
        what = "information acquired"
        found.append(_number(what, float(facts["acquired"]), nats, allowed, abs(nats) or 1.0))
    if "per_reading" in facts:
        found.append(_each(np.asarray(facts["per_reading"], dtype=np.float64), law))
    if "log_det_change" in facts:
        first, last = (np.linalg.eigvalsh(p) for p in (circuit.covariance, law.covariance))
        errors = _EIGEN * n * first[-1], _ROUTES * last[-1]
        if errors[0] <= _SINGULAR * first[0] and errors[1] <= _SINGULAR * last[0]:
            nats = 0.5 * float(np.log(last).sum() - np.log(first).sum())
            allowed = 0.5 * n * float(errors[0] / first[0] + errors[1] / last[0])
            what, stored = "log-determinant change", float(facts["log_det_change"])
            found.append(_number(what, stored, nats, allowed, max(abs(nats), 0.5 * n)))
    return found


def _each(stored: NDArray[np.float64], law: _Recursion) -> _Gap:
    """The information of the reading that is farthest from the recursion's."""
    again, allowed = np.array(law.information).T
    if stored.shape != again.shape:
        return _number("information tick by tick, its sum", inf, float(again.sum()), 0.0, 1.0)
    k = int(np.argmax(np.abs(stored - again) / allowed))
    size = abs(float(again[k])) or 1.0
    own, right, room = (float(values[k]) for values in (stored, again, allowed))
    return _number(f"information of reading {k}", own, right, room, size)


def _number(what: str, stored: float, again: float, allowed: float, size: float) -> _Gap:
    """A stored number of nats beside the same done again."""
    gap = stored - again
    text = f"{what} of {stored:.9g} nats"
    return _Gap(
        gap / size,
        abs(gap) / size,
        allowed / size,
        allowed / size,
        f"{text} is the recursion's to {abs(gap) / size:.1g} (seen if {allowed / size:.1g} off)",
        f"{text} is not the circuit's, {again:.9g}: {gap:+.3g} nats off, "
        f"where rounding explains {allowed:.2g}",
    )


class _Recursion(NamedTuple):
    """The recursion of covariances, done again.

    Attributes:
        gains: K at the ticks that were asked for, shape (n, n).
        information: information of every reading and what rounding explains of it, nats.
        spread: variances of every reading less its prediction, shape (n,).
        covariance: at the end of the run, shape (n, n).
    """

    gains: dict[int, NDArray[Any]]
    information: list[tuple[float, float]]
    spread: list[NDArray[np.float64]]
    covariance: NDArray[np.float64]


class _Circuit:
    """The filter of the device in a file, from its own kernels."""

    def __init__(self, recorded: Recorded) -> None:
        self._plan, self._kernels = recorded.plan, Kernels(recorded.plan, prompt=True)
        protocol, start = recorded.setting.protocol, recorded.start
        self.mean = protocol.to_thermal(start.mean)
        self.covariance = protocol.covariance_to_thermal(start.covariance)
        self._entry = self._inlet()
        self._bare = "reading_variance" not in recorded.information

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

    def law(self, ticks: set[int]) -> _Recursion:
        """Gains at every tick asked for, and what all readings tell."""
        plan = self._plan
        noise = np.asarray(plan.reading_variance)
        if self._bare:  # files whose filter took codes for readings without steps
            noise = np.square(plan.reading_noise / np.asarray(plan.chain.sense.gain))
        covariance, n = self.covariance, len(self.mean)
        row = np.broadcast_to(noise, n)
        reading, size, found = np.diag(row), np.sqrt(row), _Recursion({}, [], [], covariance)
        laws: dict[float, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
        for piece in self._plan.timeline:
            if piece.reads:
                # K^T = (P + R)^-1 P, both symmetric
                gain = np.linalg.solve(covariance + reading, covariance).T
                found.spread.append(np.diag(covariance) + row)
                if piece.tick in ticks:
                    found.gains[piece.tick] = gain
                scaled = covariance / size[:, None] / size
                _, nats = np.linalg.slogdet(np.eye(n) + scaled)
                rest = max(n - float(np.trace(gain)), 0.0)
                error = _ROUTES * float(np.abs(scaled).sum(1).max()) * rest + _EIGEN * n
                found.information.append((0.5 * float(nats), 0.5 * error))
                covariance = gain * row
                covariance = 0.5 * (covariance + covariance.T)
            if piece.duration not in laws:
                kernel = self._kernels.at(piece.duration)
                laws[piece.duration] = self._whole(kernel.decay), self._whole(kernel.noise)
            decay, heat = laws[piece.duration]
            covariance = decay @ covariance @ decay.T + piece.temperature * heat
        return found._replace(covariance=covariance)

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
