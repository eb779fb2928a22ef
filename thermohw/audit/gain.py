r"""Gain: do the sources push as the file says, and does the circuit answer?

First, recorded sources are what the declared law asks for at what it saw, through the
declared converters and amplifier: kept numbers, no noise, wherever the score has none. Second,
they do to the circuit what they should: slope of the residual on their push, with the error
1/sqrt(sum push^2/Sigma), and so does the circuit itself (its pull, 1 - Phi). The sum is about
2 paths x production, so where the law hardly drives the circuit the power says that 5 % could
not have been seen, and where even missing sources could not, no verdict is given.
"""

from __future__ import annotations

from math import inf, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from thermohw.audit.recorded import Recorded
from thermohw.audit.residuals import (
    HIDDEN,
    Deviation,
    judged,
    mean_square,
    reaches,
    slopes,
    unrecorded,
)
from thermohw.audit.verdict import Check, not_applicable
from thermohw.books.residuals import kept_ticks, source_scale
from thermohw.estimate import VIOLATED

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["gain"]

_SAME = {"float32": 1e-4, "float64": 1e-9}  # two evaluations of one law, of the sizes it adds up


def gain(recorded: Recorded) -> Check:
    """Recorded sources against the declared law, and what they do to the circuit."""
    name, asked = "gain", _asked(recorded)
    law = None if asked is None else _against_law(asked, recorded)
    if law is not None and not law.distance <= law.allowed:
        detail = (
            f"recorded sources are not what the declared law asks for at the recorded states: "
            f"slope {law.slope:+.4%}, distance {law.distance:.2g} of their size, where rounding "
            f"explains {law.allowed:.2g}"
        )
        return Check(name, VIOLATED, law.slope, 0.0, None, detail, power=law.reach)
    reason = unrecorded(recorded)
    if reason:
        return not_applicable(name, reason)
    noise, why = _score_noise(asked, recorded)
    also = f"; {why}, so it is not asked again"
    if law is not None:
        also = f"; recorded sources are the declared law's to {law.distance:.1g} of their size "
        also += f"(at {law.ticks} ticks of {law.paths} paths)"
    found = slopes(recorded)
    if not found:
        return not_applicable(name, "no source pushes" + also)
    if noise:
        found += noise
        size, called = noise[0], reaches(noise, found)
        larger = sqrt(1.0 + called[0]) - 1.0
        also = "; recorded sources less the declared law are the score's own noise, squares off by "
        also += f"{size.value:+.2%} +- {size.stderr:.2%}: a noise {larger:.0%} larger and a law "
        also += f"{called[1]:.2g} off would be called"
    check = judged(name, found, also)
    if law is None and not noise and check.status != VIOLATED:
        reason = "a wrong gain of the controller would be in the recorded sources, too"
        return not_applicable(name, f"{reason}{also}; the circuit's response: {check.detail}")
    if check.status != VIOLATED and check.power is not None and check.power > 1.0:
        reason = "the law drives the circuit so little that a gain of 0 would not show"
        detail = f"{reason} (seen if {check.power:.0%} off): {check.detail}"
        return not_applicable(name, detail)
    return check


class _Law(NamedTuple):
    """Recorded sources beside the declared law's."""

    slope: float  # of the difference on the law
    distance: float  # rms, over the rms of the sizes that the law adds up
    allowed: float  # what rounding explains of it
    reach: float  # the slope that would have been called
    ticks: int
    paths: int


class _Asked(NamedTuple):
    """What the sources were at kept ticks, and what the declared law asks for there."""

    gap: torch.Tensor  # recorded less asked, shape (ticks, paths, sources)
    wanted: torch.Tensor  # through converter and amplifier, without the score's own noise
    size: torch.Tensor  # of the numbers that the law adds up
    weights: list[torch.Tensor | float]  # response to the score, (n, sources), at every tick


def _asked(recorded: Recorded) -> _Asked | None:
    """The declared law at what it saw; None where that does not say what it decided."""
    plan, kept = recorded.plan, recorded.residuals
    chain = plan.chain
    noisy = plan.reading_noise > 0.0  # then readings, or what a filter made of them, are kept
    unkept = noisy and plan.latency > 0.0 and not recorded.filter  # an older file
    if not kept or unkept:
        return None
    dtype = getattr(torch, recorded.simulate["dtype"])
    states = torch.from_numpy(kept["states"] / recorded.setting.device.effort_scale).to(dtype)
    sources = torch.from_numpy(kept["sources"] / source_scale(plan))
    arrived = {piece.applies for piece in plan.timeline}
    ticks = [(slot, int(tick)) for slot, tick in enumerate(
        kept_ticks(plan.schedule.ticks, len(states))) if tick in arrived]  # fmt: skip
    if not ticks:
        return None
    gaps, laws, sizes, weights = [], [], [], []
    for slot, tick in ticks:
        law, state = plan.laws[tick], states[slot]
        reading = state if noisy else chain.adc(chain.sense(state))
        score = law.field(law.model(reading))
        own, weight = (_response(r, reading) for r in (law.drive.state, law.drive.score))
        wanted = chain.score(reading @ own + score @ weight)
        wanted = chain.amplifier(chain.dac(wanted)).double()
        gaps.append(sources[slot] - wanted)
        laws.append(wanted)
        sizes.append((reading.abs() @ own.abs() + score.abs() @ weight.abs()).double())
        plain = isinstance(law.drive.score, float)
        weights.append(law.drive.score if plain else weight.double())
    return _Asked(torch.stack(gaps), torch.stack(laws), torch.stack(sizes), weights)


def _against_law(asked: _Asked, recorded: Recorded) -> _Law | None:
    """The recorded sources beside what was asked for; None where a score is noisy."""
    chain, dtype = recorded.plan.chain, recorded.simulate["dtype"]
    power, scale = float(asked.wanted.square().sum()), float(asked.size.square().sum())
    if chain.score.noise > 0.0 or power == 0.0 or scale == 0.0:
        return None
    allowed = _SAME[dtype]
    if chain.dac.converter is not None and dtype == "float32":
        # One value on the edge between two codes.
        allowed = max(allowed, chain.dac.converter.lsb / sqrt(scale))
    return _Law(
        slope=float((asked.gap * asked.wanted).sum()) / power,
        distance=sqrt(float(asked.gap.square().sum()) / scale),
        allowed=allowed,
        reach=allowed * sqrt(scale / power),
        ticks=len(asked.gap),
        paths=asked.gap.shape[1],
    )


def _score_noise(asked: _Asked | None, recorded: Recorded) -> tuple[list[Deviation], str]:
    """Mean square, slope on the law and mean of what the sources differ from the law by, over what
    the score's own noise makes of them; empty, with the reason, where it cannot be said.
    """
    chain = recorded.plan.chain
    if asked is None:
        return [], "what the law saw is not kept"
    sigma, words = chain.score.noise, "the score has noise of its own"
    if sigma == 0.0:
        return [], "nothing is asked for"
    if chain.dac.converter is not None or chain.amplifier.swing < inf:
        return [], f"{words} behind which a converter or an amplifier's rails bend"
    ends = asked.gap.new_tensor([[0.0], [1.0]]).expand(2, asked.gap.shape[2])
    passed = torch.diff(chain.amplifier(chain.score(ends)), dim=0)[0]  # of every source
    rows: list[list[torch.Tensor]] = [[], [], []]
    for k, weight in enumerate(asked.weights):
        tick = asked.gap[k], asked.wanted[k], _SAME[recorded.simulate["dtype"]] * asked.size[k]
        if isinstance(weight, float):
            found = [x / (sigma * passed * weight).abs() for x in tick]
        else:
            turn, spread, _ = torch.linalg.svd((weight * passed).T, full_matrices=False)
            seen = spread > 1e-9 * spread.max()
            turn, spread = turn[:, seen], sigma * spread[seen]
            found = [x @ (turn.abs() if n == 2 else turn) / spread for n, x in enumerate(tick)]
        for row, values in zip(rows, found, strict=True):
            row.append(values.flatten())
    noise, law, slip = (torch.cat(row) for row in rows)
    count, power = len(noise), float(law.square().sum())
    rounded = sqrt(float(slip.square().mean()))
    if not rounded <= HIDDEN or power == 0.0 or count < 2:
        return [], f"{words} that rounding hides"
    # Rounding may follow the noise or the law: what Cauchy and Schwarz allow.
    slope = float((noise * law).sum()) / power  # a wrong gain is no noise: taken out of the squares
    value = float((noise - slope * law).square().sum()) / (count - 1)
    error = np.hypot(sqrt(2.0 / (count - 1)), rounded * (2.0 + rounded))
    found = [mean_square("score", "noise power of the score", value - 1.0, error)]
    each, freedom = np.hypot(1.0, rounded * sqrt(count)), 0.5 * (asked.gap.shape[1] - 1)
    what = "recorded sources on the declared law"
    found.append(Deviation("law", what, slope, each / sqrt(power), freedom=freedom))
    what = "mean of recorded sources less the declared law"
    return [*found, Deviation("law mean", what, float(noise.mean()), each / sqrt(count))], words


def _response(response: float | NDArray[np.float64], like: torch.Tensor) -> torch.Tensor:
    """A drive's response as a matrix to multiply by from the right, shape (n, sources)."""
    if isinstance(response, float):
        return torch.eye(like.shape[1], dtype=like.dtype) * response
    return like.new_tensor(np.asarray(response).T)
