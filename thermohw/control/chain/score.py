r"""The score's own errors, and the gain of the loop.

    s -> s + sigma_s xi    read noise of an analog network (a crossbar's, say), fresh every time
    c -> g_c c             a gain error of the whole control law

`score.scale` of a SPEC multiplies the score alone; `control_gain` multiplies what the sources are
asked for, the share that is linear in the state included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thermohw.control.chain.stage import Row, Stage, row

if TYPE_CHECKING:
    import torch

__all__ = ["ScoreErrors"]


@dataclass(frozen=True)
class ScoreErrors(Stage):
    """Gain and noise of the computed control.

    Attributes:
        gain: g_c.
        noise: sigma_s, model units of the score.
    """

    gain: Row = 1.0
    noise: float = 0.0

    def __call__(self, command: torch.Tensor) -> torch.Tensor:
        """g_c c, shape (paths, sources)."""
        return command if self.gain == 1.0 else command * row(self.gain, command)
