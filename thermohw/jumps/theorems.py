r"""Fluctuation theorems of jump processes.

Per path, with p the law of the start and rho any normalised law,

    Sigma = sum_k Q_k/kT_k + ln p(N_0) - ln rho(N_end),       <exp(-Sigma)> = 1.

Local detailed balance makes exp(-Sigma) the ratio of the probabilities of the reversed path,
started from rho, and of the path. With rho the law at the end, Sigma is the total entropy
production. In the stationary law, with supplies that do not change, forward and reversed process
are the same, so the histogram of Sigma itself is tilted: P(Sigma)/P(-Sigma) = exp(Sigma). Bin by
bin and without any error from the width of a bin that is

    P(Sigma in -B) = E[ exp(-Sigma) ; Sigma in B ].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.books.theorems import ExponentialMean
from thermohw.errors import InputError
from thermohw.estimate import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.jumps.master import MasterEquation
    from thermohw.jumps.record import JumpRun

__all__ = ["FluctuationTheorem", "entropy_production", "fluctuation_theorem"]

_SAMPLES = 25.0  # effective samples of a bin, whose weights differ by its width alone
_ROUND_OFF = 1e-9  # of Sigma, nats: thousands of float64 additions and to spare
_EVENTS = 5.0  # expected paths of negative Sigma in a bin, likewise


@dataclass(frozen=True, eq=False)
class FluctuationTheorem:
    """The integral theorem, and the detailed one where the law is stationary.

    Attributes:
        mean: <exp(-Sigma)>, 1 in theory: its average, what carries it, whether it is to be trusted.
        production: mean of Sigma, nats.
        edges: of the bins of Sigma, shape (b + 1,), all positive.
        log_ratio: ln P(B)/P(-B) of every bin, shape (b,); nan where a bin is empty.
        expected: the same by the theorem, ln P(B) / E[exp(-Sigma); B], shape (b,).
        z: deviation of every bin from the theorem as a normal deviate, shape (b,); nan where too
            few paths go against the arrow of time for an error to mean anything.
    """

    mean: ExponentialMean
    production: float
    edges: NDArray[Any]
    log_ratio: NDArray[Any]
    expected: NDArray[Any]
    z: NDArray[Any]

    def __str__(self) -> str:
        effective = f"{self.mean.effective:.3g} effective samples"
        if not self.mean.trusted:
            return (
                f"fluctuation theorem not applicable: {effective}, mean "
                f"Sigma {self.production:.4g} nats; play shorter runs or more paths"
            )
        known = self.z[np.isfinite(self.z)]
        return (
            f"<exp(-Sigma)> = {self.mean.average.text('.4f')} "
            f"({effective}), mean Sigma {self.production:.4g} nats, "
            f"detailed theorem: largest |z| {np.abs(known).max(initial=0.0):.2f} of "
            f"{len(known)} bins"
        )


def entropy_production(run: JumpRun, start: NDArray[Any], end: NDArray[Any]) -> NDArray[Any]:
    """Sigma of every path, shape (paths,), nats.

    Args:
        run: an exact run.
        start: ln p of the start states in the law that they were drawn from, shape (paths,).
        end: ln rho of the end states, shape (paths,).

    Raises:
        InputError: an approximate run, whose heat is not a ratio of rates.
    """
    if not run.exact:
        raise InputError(
            f"a run by '{run.method}' has no local detailed balance; fluctuation theorems are of "
            "exact runs",
            where=run.device.name,
        )
    return run.medium_entropy + start - end


def fluctuation_theorem(run: JumpRun, law: MasterEquation, *, bins: int = 8) -> FluctuationTheorem:
    """Check a run that was started from the stationary law.

    Args:
        run: of `simulate_jumps(device, ..., start=law)`.
        law: the master equation of the same device.
        bins: of |Sigma|, of equal numbers of paths.

    Raises:
        InputError: an approximate run, one that did not start from this law, paths cut short by a
            stop, or a single path.
    """
    if run.exact and (run.law is not law or run.paths < 2):
        raise InputError(
            "the theorem is checked on two paths or more from the stationary law: "
            "simulate_jumps(device, ..., start=law) with this very law",
            where=run.device.name,
        )
    if run.stopped.any():
        raise InputError("paths that end at a stop are not all of one length; leave the stop out",
                         where=run.device.name)  # fmt: skip
    sigma = entropy_production(run, law.log_probability(run.start), law.log_probability(run.end))
    weight = np.exp(-sigma)
    # Few electrons make Sigma discrete. An edge drawn through one of its values would let round-off
    # say on which side Sigma and -Sigma fall, and a value of zero has no sign at all.
    edges = np.quantile(np.abs(sigma), np.linspace(0.0, 1.0, bins + 1)) - _ROUND_OFF
    edges[0], edges[-1] = _ROUND_OFF, edges[-1] + 2.0 * _ROUND_OFF
    ratio, expected, z = np.full((3, bins), np.nan)
    for i, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        size = (np.abs(sigma) >= low) & (np.abs(sigma) < high)
        up, down = size & (sigma > 0.0), size & (sigma < 0.0)
        tilted = np.where(up, weight, 0.0)
        difference = Estimate.paired(down, tilted)
        carried = ExponentialMean.of(sigma[up]).effective if up.any() else 0.0
        known = float(tilted.sum()) >= _EVENTS and carried >= _SAMPLES
        if known and difference.stderr > 0.0:
            expected[i] = np.log(up.mean() / tilted.mean())
            z[i] = difference.z()
            ratio[i] = np.log(up.mean() / down.mean()) if down.any() else np.nan
    return FluctuationTheorem(
        mean=ExponentialMean.of(sigma, own_reverse=True),
        production=float(sigma.mean()),
        edges=edges,
        log_ratio=ratio,
        expected=expected,
        z=z,
    )
