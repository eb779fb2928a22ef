"""Do the generated samples follow the law they should: that of the data with the noise of t_min.

Distances and their null laws are those of `thermohw.audit.distance`: W1 against a known mixture on
the line, else sliced W2 against fresh samples of the known law, or against training rows with the
noise of t_min. `quality.ess` is how many independent samples of the right law would be as far off,
n (null/observed)^2 and at most n.

Of a Langevin process the samples are its data coordinates; its momenta are thrown away.

A distance of clouds in many dimensions hardly sees one node too cold, or two that move together.
Where the law is known its means and variances, coordinate by coordinate, the covariance of every
two, and

    -E ln p(x_N) = S(t_min),

which weighs every mode by its own width, are held against the samples too.

A deviation is explained by a size that was measured, by nothing else. The run's twins
(`thermohw.audit.twins`) say how far ticks and imperfections move the samples. A signed number is
corrected by what they moved it and must then meet the law, up to what is of second order in the
tick, and explains nothing where it is zero within three of its own standard errors. A distance must
be one that samples of a law as far away as theirs have. No bias explains more than

    W1, sliced W2      a tenth of the law's total width, and on the line .3 of the standard
                       deviation of its narrowest mode
    means, deviations  .3 of the standard deviation of the narrowest mode
    covariances        what such deviations of both can make of them
    -E ln p            a tenth of a nat a dimension:

such samples are another law's, whatever the reason. A file without twins gives no verdict on a
deviation that some bias might explain. On a data set the law is not known but through its training
rows, and no twin has the true score: what ticks and imperfections leave unexplained is the learned
score's own, and explained up to the same tenth of the width.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.special import ndtr

from thermohw.audit.distance import Distance, line_distance, sliced_distance, sliced_square
from thermohw.audit.entropy import law_entropy
from thermohw.audit.pairs import pair_covariances
from thermohw.audit.recorded import Recorded
from thermohw.audit.twins import Twins, read_twins
from thermohw.audit.verdict import Check, Quantity, not_applicable
from thermohw.control.bias import CAP, NATS_CAP, WIDTH_CAP
from thermohw.errors import InputError
from thermohw.estimate import (
    EXPLAINED,
    FEWEST,
    HOLDS,
    NOT_APPLICABLE,
    VIOLATED,
    Estimate,
    called_of,
    judge,
    largest_of,
    worst,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from thermohw.target import Target

__all__ = ["Comparison", "compare", "sample_law", "sample_quantities"]

_LINE, _CLOUD = 2**20, 4096  # samples compared on the line, and in a cloud
_WORDS = {"w1": "W1", "sliced_w2": "sliced W2"}


@dataclass(frozen=True)
class Comparison:
    """Generated samples against a reference.

    Attributes:
        distance: model units.
        scale: data units per model unit.
        reference: in words.
        copies: distance of training to as many held-out rows, data units: what a copy of the
            training data would score. None for known laws.
        rows: how many.
    """

    distance: Distance
    scale: float
    reference: str
    copies: float | None = None
    rows: int = 0

    def data(self, name: str) -> float:
        """value, floor or spread of the distance, data units."""
        return getattr(self.distance, name) * self.scale


def compare(recorded: Recorded) -> Comparison | None:
    """Compare the generated samples; None without a target or with too few samples."""
    target, x = recorded.setting.target, recorded.first
    if target is None or len(x) < FEWEST:
        return None
    x = x[:, recorded.data]
    law = _distribution(recorded) if x.shape[1] == 1 else None
    if law is not None:
        found = line_distance(x[:_LINE, 0], *law)
        return Comparison(found, target.scale, "the law at t_min")
    generator = torch.Generator().manual_seed(0)
    x = x[:_CLOUD]
    if recorded.truth is not None:
        reference = _known_points(recorded, target, len(x), generator)
        words = "fresh samples of the law at t_min"
        return Comparison(sliced_distance(x, reference), target.scale, words)
    reference = _noised(recorded, target.sample(len(x), generator), generator)
    held_out = _noised(recorded, target.held_out(None, generator), generator)[: len(x)]
    copies = sqrt(sliced_square(reference[: len(held_out)], held_out)) * target.scale
    found = sliced_distance(x, reference)
    return Comparison(found, target.scale, "training rows", copies, len(held_out))


def _distribution(recorded: Recorded) -> tuple[Callable[[np.ndarray], np.ndarray], float] | None:
    """Distribution function and standard deviation of a mixture's only data coordinate at t_min,
    model units.
    """
    law: Any = getattr(recorded.truth, "law", None)
    if law is None:
        return None
    mixture = law(recorded.setting.process.t_min)
    i = recorded.data[0]
    means, deviations = mixture.means[:, i], np.sqrt(mixture.covariances[:, i, i])
    centre = mixture.weights @ means
    width = sqrt(float(mixture.weights @ (deviations**2 + (means - centre) ** 2)))
    return lambda x: ndtr((x[:, None] - means) / deviations) @ mixture.weights, width


def _known_points(
    recorded: Recorded, target: Target, n: int, generator: torch.Generator
) -> np.ndarray:
    """Samples of the law at t_min; where it has edges there, of the data."""
    assert recorded.truth is not None
    try:
        rows = recorded.truth.sample(n, recorded.setting.process.t_min, generator)
    except InputError:
        rows = target.sample(n, generator)
    return rows.numpy()[:, recorded.data]


def _noised(recorded: Recorded, rows: torch.Tensor, generator: torch.Generator) -> np.ndarray:
    """Rows with the noise of t_min, shape (n, d)."""
    process = recorded.setting.process
    decay, noise = (np.asarray(part) for part in process.transition(process.t_min))
    z = torch.randn(rows.shape, dtype=torch.float64, generator=generator).numpy()
    if decay.ndim == 0:
        return float(decay) * rows.numpy() + sqrt(float(noise)) * z
    values, vectors = np.linalg.eigh(noise)
    noised = rows.numpy() @ decay.T + z @ (vectors * np.sqrt(np.clip(values, 0.0, None))).T
    return noised[:, recorded.data]


_UNKNOWN = "no bias was measured"
_SAID = 3  # coordinates that are named


def sample_law(recorded: Recorded, found: Comparison | None) -> Check:
    """Generated samples against the target's law at t_min."""
    name = "sample_law"
    if found is None:
        return not_applicable(name, "the run has no target, or too few samples to compare")
    twins = read_twins(recorded.parameters, recorded.step, recorded.data)
    distance, scale = found.distance, found.scale
    value, floor, spread = (found.data(part) for part in ("value", "floor", "spread"))
    narrow = _narrowest(recorded)
    cap = WIDTH_CAP * distance.width
    cap = min(cap, CAP * narrow) if distance.name == "w1" else cap
    explained = None if twins is None else twins.distance()
    detail = (
        f"{_WORDS[distance.name]} = {value:.4g} against {found.reference} ({floor:.4g} +- "
        f"{spread:.2g} for {distance.count} right ones, z = {distance.z:+.2f})"
    )
    learned = recorded.truth is None
    room = 0.0  # what is excused: without twins nothing
    if explained is not None:
        room = cap if learned else min(explained.value + 3.0 * explained.stderr, cap)
    statuses = [judge(distance.z, relation="<=")]
    if statuses[0] == VIOLATED:
        most = judge(distance.beyond(cap if explained is None else room), relation="<=")
        within = NOT_APPLICABLE if explained is None else EXPLAINED
        statuses[0] = VIOLATED if most == VIOLATED else within
        detail += f"; off by {distance.excess * scale:.3g}, of which at most {cap * scale:.3g} "
        detail += "could be explained"
        if explained is None:
            detail += f": {_UNKNOWN}"
        else:
            assert twins is not None
            detail += f" and {explained.value * scale:.2g} was measured ({twins.sizes(scale)})"
            detail += "; the rest is the learned score's" * learned
    for status, remark in (_typical(recorded, twins), _moments(recorded, twins, narrow)):
        statuses.append(status)
        detail += remark
    if found.copies is not None:
        detail += f"; {found.rows} training against held-out rows: {found.copies:.4g}"
    status = worst(*statuses)
    if status != VIOLATED and NOT_APPLICABLE in statuses:
        status = NOT_APPLICABLE
    power = None if status == NOT_APPLICABLE else distance.called(room) * scale
    return Check(name, status, value, floor, spread, detail, "<=", power)


def _narrowest(recorded: Recorded) -> float:
    """Standard deviation of the narrowest mode at t_min, model units."""
    process, score = recorded.setting.process, recorded.truth or recorded.setting.score
    if process.isotropic:
        decay, noise = process.transition(process.t_min)
        return sqrt(float(decay) ** 2 * score.narrowest + float(noise))
    covariance = process.narrowest(score.narrowest, process.t_min)
    covariance = covariance[np.ix_(recorded.data, recorded.data)]
    return sqrt(max(float(np.linalg.eigvalsh(covariance)[0]), 0.0))


def _corrected(
    gap: Estimate, twins: Twins | None, values: Callable[[str], np.ndarray], cap: float
) -> tuple[str, str]:
    """Status of a signed deviation that is too large for chance, and a remark."""
    if abs(gap.value) > cap + 3.0 * gap.stderr:  # a cap is one on the bias, not on chance
        return VIOLATED, f", more than the {cap:.3g} that any bias may explain"
    if twins is None:
        return NOT_APPLICABLE, f": {_UNKNOWN}"
    shift, rest = twins.shift(values), twins.remainder(values)
    left = gap - shift
    beyond = Estimate(max(abs(left.value) - rest, 0.0), left.stderr, left.freedom)
    status = worst(EXPLAINED, judge(beyond.z()))
    remark = (
        f", of which ticks and imperfections were measured to make {shift.text('+.2g')}, and left "
        f"{left.text('+.2g')}, second order {rest:.1g}"
    )
    if status != VIOLATED and judge(shift.z()) == HOLDS:  # no size was measured
        return NOT_APPLICABLE, remark + ": too few twins to tell"
    return status, remark


def _typical(recorded: Recorded, twins: Twins | None) -> tuple[str, str]:
    """Status of -E ln p = S(t_min), and a remark."""
    mean = recorded.moments["log_prob.end"] if "log_prob.end" in recorded.moments else None
    entropy = None if mean is None else law_entropy(recorded)
    if mean is None or entropy is None:
        return HOLDS, ""
    gap = -mean - entropy
    status = judge(gap.z())
    remark = f"; -E ln p differs from S(t_min) by {gap.text('+.5f')} nats, z = {gap.z():+.2f}"
    if status == VIOLATED:

        def surprise(twin: str) -> np.ndarray:
            assert twins is not None
            return -twins.channels[twin]["log_prob.end"]

        cap = NATS_CAP * recorded.setting.device.dim
        status, words = _corrected(gap, twins, surprise, cap)
        remark += words
    return status, remark


def _moments(recorded: Recorded, twins: Twins | None, narrow: float) -> tuple[str, str]:
    """Status of the means, variances and covariances of a known law, each judged for itself, and a
    remark.

    A bias whose spread is at most c = .3 of the narrowest mode in every coordinate, x_i + d_i with
    sd(d_i) <= c, moves a covariance by cov(x_i, d_j) + cov(d_i, x_j) + cov(d_i, d_j), by Cauchy and
    Schwarz at most (sd_i + c)(sd_j + c) - sd_i sd_j: the cap, for i = j that of a variance.
    """
    target, process = recorded.setting.target, recorded.setting.process
    if target is None or recorded.truth is None:
        return HOLDS, ""
    mean, covariance = process.propagate(target.mean, target.covariance, process.t_min)
    data, cap = recorded.data, CAP * narrow
    mean, covariance = mean[data], covariance[np.ix_(data, data)]
    x, sd = recorded.first[:, data] - mean, np.sqrt(np.diag(covariance))
    names = [recorded.setting.device.coordinates[i] for i in data]
    rows: list[tuple[Estimate, str, Callable, float]] = []

    def compare(gap: Estimate, word: str, i: int, j: int | None = None) -> None:
        def moment(v: np.ndarray) -> np.ndarray:
            v = v - mean
            return v[:, i] if j is None else v[:, i] * v[:, j] - covariance[i, j]

        room = cap if j is None else (sd[i] + cap) * (sd[j] + cap) - sd[i] * sd[j]
        rows.append((gap, word, moment, room))

    for i, name in enumerate(names):
        compare(Estimate.from_paths(x[:, i]), f"mean of {name}", i)
        square = Estimate.from_paths(x[:, i] ** 2 - covariance[i, i])
        compare(square, f"variance of {name}", i, i)
    singles, pairs = len(rows), len(names) * (len(names) - 1) // 2
    found, called = pair_covariances(x, covariance, called_of(2, max(pairs, 1)))
    for i, j, gap in found:
        compare(gap, f"covariance of {names[i]} and {names[j]}", i, j)
    statuses, remarks = [HOLDS], []
    for row, (gap, word, moment, room) in enumerate(rows):
        z, count = largest_of(gap.z(), singles if row < singles else pairs), singles + pairs
        z = largest_of(z, 2) if pairs else z
        status = judge(z)
        if status == HOLDS:
            continue
        remark = (
            f"; {word} is off by {gap.text('+.3g')} model units, z = {z:+.2f} as one of {count}"
        )
        if status == VIOLATED:

            def values(twin: str, moment: Callable = moment) -> np.ndarray:
                assert twins is not None
                return moment(twins.states[twin])

            status, words = _corrected(gap, twins, values, room)
            remark += words
        statuses.append(status)
        remarks.append(((status != VIOLATED, -abs(z)), remark))
    most = [remark for _, remark in sorted(remarks)[:_SAID]]
    most += [f"; and {len(remarks) - _SAID} more"] * (len(remarks) > _SAID)
    most += [f"; a correlation {called:.2g} off is called"] * (pairs > 0)
    status = worst(*statuses)
    if status != VIOLATED and NOT_APPLICABLE in statuses:
        status = NOT_APPLICABLE
    return status, "".join(most)


def sample_quantities(found: Comparison | None) -> dict[str, Quantity]:
    """quality.w1 or quality.sliced_w2 in data units, its floor, and quality.ess."""
    if found is None:
        return {}
    distance, unit = found.distance, "data unit"
    name, count = f"quality.{distance.name}", distance.count
    value, floor, spread = (found.data(part) for part in ("value", "floor", "spread"))
    table = {
        name: Quantity(value, spread, unit, f"against {found.reference}"),
        f"{name}.floor": Quantity(floor, spread, unit, f"of {count} samples of the right law"),
        "quality.ess": Quantity(
            distance.equivalent,
            None,
            "1",
            f"independent samples of the right law that would be as far off, of {count}",
        ),
    }
    if found.copies is not None:
        note = f"{found.rows} training against held-out rows: what a copy of the data would score"
        table[f"{name}.held_out"] = Quantity(found.copies, None, unit, note)
    return table
