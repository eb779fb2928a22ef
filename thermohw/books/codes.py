r"""What the codes of a converter can tell: their entropies, counted while the run goes on.

A code tells no more than its own entropy, and readings together no more than the sum of theirs,
whatever the controller makes of them (`thermohw.books.information`). The codes of one node at one
tick are independent between paths, so a tile's histogram gives H = -sum p ln p with the correction
of Miller and Madow for m codes seen in n paths, and its error from the spread of -ln p; codes that
are all alike frequent have none to first order, hence the second term:

    H = -sum p ln p + (m - 1)/2n,      var H = var(-ln p)/n + (m - 1)/2n^2

A reading counts min(H + 3 standard errors, B ln 2), and B ln 2 where fewer than ten paths a code
were seen: an entropy of undersampled codes is far too low. No histogram is kept from tick to tick.
A tile's sum is an upper bound of its own, so the mean over tiles is one too.

Reference:
    Miller, in: Information Theory in Psychology (Free Press, 1955), 95.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from thermohw.control import Plan
    from thermohw.integrate import Carry, Step

__all__ = ["CodeEntropy"]

_PER_CODE = 10  # paths below which a code is undersampled
_ERRORS = 3.0
_NARROW = 2**12  # codes that are counted one by one however few the paths


class CodeEntropy:
    """Observer of clocked runs with converted readings.

    A reading is counted when its decision is first applied; with latency some never are and count
    B ln 2.

    Args:
        plan: with an analog-to-digital converter.
    """

    name = "codes"
    sums = True

    def __init__(self, plan: Plan) -> None:
        assert plan.adc is not None
        self._adc, self._ticks = plan.adc, plan.schedule.ticks
        self._cap = plan.adc.bits * log(2.0)

    def init(self, state: torch.Tensor) -> Carry:
        """Nothing read yet."""
        return {
            "nats": torch.zeros((), dtype=torch.float64),
            "seen": torch.zeros((), dtype=torch.float64),
            "last": torch.full((), -1.0, dtype=torch.float64),
        }

    def update(self, carry: Carry, step: Step) -> None:
        """Count the codes of a reading the first time that its decision acts."""
        control = step.control
        if control is None or control.reading is None or control.tick <= int(carry["last"]):
            return
        code = self._adc.code(control.reading).to(torch.int64)
        code, (paths, nodes) = code - code.min(0).values, code.shape
        span = int(code.max()) + 1
        if self.too_wide(span, paths):
            counts = torch.from_numpy(self.sorted_counts(code.T.contiguous().numpy()))
        else:
            bins = (code + span * torch.arange(nodes)).reshape(-1)
            counts = torch.bincount(bins, minlength=nodes * span).view(nodes, span)
        self.count(carry, [control.tick], counts[None], paths)

    def count(
        self,
        carry: Carry,
        ticks: Sequence[int],
        counts: torch.Tensor,
        paths: int,
    ) -> None:
        """Count readings by how often every node had every code, (ticks, n, codes), in so many
        paths.
        """
        carry["last"].fill_(ticks[-1])
        carry["seen"].add_(float(len(ticks)))
        whole = torch.full(counts.shape[:2], self._cap, dtype=torch.float64)
        # One after another: the same bits however ticks are grouped.
        for row in self._entropies(counts, paths, whole).sum(1):
            carry["nats"].add_(row)

    def _entropies(self, counts: torch.Tensor, paths: int, whole: torch.Tensor) -> torch.Tensor:
        """Upper bound of every code entropy, shape (ticks, n); at most their bits, `whole`."""
        share = counts.double() / paths
        surprise = -share.clamp(min=1e-300).log()
        entropy = (share * surprise).sum(2)
        spread = (share * (surprise - entropy[..., None]).square()).sum(2)
        codes = (counts > 0).sum(2)
        extra = 0.5 * (codes - 1) / paths
        error = (spread / paths + extra / paths).sqrt()
        upper = (entropy + extra + _ERRORS * error).minimum(whole)
        return torch.where(codes * _PER_CODE > paths, whole, upper)

    @staticmethod
    def too_wide(span: int, paths: int) -> bool:
        """Whether codes so far apart are better sorted than counted one by one."""
        return span > max(_NARROW, paths)

    @staticmethod
    def sorted_counts(codes: NDArray[Any]) -> NDArray[np.int64]:
        """How often every node has each of its codes, (n, paths) -> (n, codes), zeros behind; no
        more of them than are too many for an entropy.
        """
        nodes, paths = codes.shape
        found = np.zeros((nodes, paths // _PER_CODE + 2), np.int64)
        for row, own in zip(np.sort(codes, 1), found, strict=True):
            starts = np.flatnonzero(np.concatenate([[True], row[1:] != row[:-1], [True]]))
            often = np.diff(starts)[: len(own)]
            own[: len(often)] = often
        return found

    def result(self, carry: Carry, state: torch.Tensor) -> Carry:
        """information.codes: sum over readings and nodes, an upper bound, nats per path of the
        tile, shape ().
        """
        unseen = (self._ticks - carry["seen"]) * state.shape[1] * self._cap
        return {"information.codes": carry["nats"] + unseen}
