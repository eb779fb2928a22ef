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
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thermohw.control import Plan
    from thermohw.integrate import Carry, Step

__all__ = ["CodeEntropy"]

_PER_CODE = 10  # paths below which a code is undersampled
_ERRORS = 3.0


class CodeEntropy:
    """Observer of clocked runs with converted readings.

    A reading is counted when its decision is first applied; with latency some never are and count
    B ln 2.

    Args:
        plan: with an analog-to-digital converter.
    """

    name = "codes"
    sums = True
    most = 2**24  # numbers of a histogram of one tick

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
        counts = None
        if nodes * span <= self.most:
            bins = (code + span * torch.arange(nodes)).reshape(-1)
            counts = torch.bincount(bins, minlength=nodes * span).view(nodes, span)
        self.count(carry, [control.tick], None if counts is None else counts[None], (paths, nodes))

    def count(
        self,
        carry: Carry,
        ticks: Sequence[int],
        counts: torch.Tensor | None,
        shape: tuple[int, int],
    ) -> None:
        """Count readings by how often every node had every code, (ticks, n, codes), in so many
        paths of so many nodes; None where a histogram would have more than `most` numbers.
        """
        carry["last"].fill_(ticks[-1])
        carry["seen"].add_(float(len(ticks)))
        paths, nodes = shape
        whole = torch.full((len(ticks), nodes), self._cap, dtype=torch.float64)
        upper = whole if counts is None else self._entropies(counts, paths, whole)
        for row in upper.sum(1):  # one after another: the same bits however ticks are grouped
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

    def result(self, carry: Carry, state: torch.Tensor) -> Carry:
        """information.codes: sum over readings and nodes, an upper bound, nats per path of the
        tile, shape ().
        """
        unseen = (self._ticks - carry["seen"]) * state.shape[1] * self._cap
        return {"information.codes": carry["nats"] + unseen}
