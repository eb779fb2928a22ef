r"""One pass through a program: jump, relax, book.

    for every tick:   parameters jump to their values at the middle of the tick     work, d(beta H)
                      the circuit relaxes at these values for the tick              heat
    at the end:       parameters jump to their last values                          work

Work of a parameter is the energy that its jumps add at fixed charge and flux,

    W_p = sum_jumps [H(after) - H(before)](z)  ->  int d_p H dp

so a capacitor at charge q gives dW = -(q^2 / 2 C^2) dC, and changing R or T gives none. It is the
`work_correction` of the tick's `Step`, whose forces and charges are heat: the `Ledger` books both.
Both are exact on the sampled path, and the energy closes to round-off: H(end) - H(start) = sum W -
sum Q.

    medium entropy   sum_ticks Q_k / T_k                          nats, T_k the tick's
    exponent         A = sum_jumps [beta' H' - beta H](z) -> int d_t(beta H)(z_t) dt     nats

A is defined at one temperature of all baths, which may change in time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermohw.books import Ledger
from thermohw.control import Piece
from thermohw.errors import InputError
from thermohw.integrate import Step
from thermohw.program.stepper import STEPPERS, log_ratio
from thermohw.units import engineering

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit.landscape import Landscape
    from thermohw.circuit.passive import PassiveDevice
    from thermohw.noise import NoiseSource
    from thermohw.program.knobs import Knobs

__all__ = ["Play"]


class Play:
    """A program laid out tick by tick for one circuit; every tile of paths plays the same.

    Args:
        knobs: the program's parameters in the circuit; None runs freely.
        first: the circuit at the first parameters.
        last: at the last.
        grid: borders of the ticks, second, shape (ticks + 1,).
        middles: parameters in every tick, SI, shape (ticks, keys); None runs freely.
        stepper: who advances it.
        path_ratio: book ln K/K~ of every tick.
        kept: borders at which a snapshot is kept; None keeps none.
    """

    def __init__(
        self,
        knobs: Knobs | None,
        first: PassiveDevice,
        last: PassiveDevice,
        grid: NDArray[Any],
        middles: NDArray[Any] | None,
        stepper: str,
        path_ratio: bool,
        kept: NDArray[Any] | None,
    ) -> None:
        self.first, self.last, self.stepper = first, last, stepper
        self.steps = np.diff(grid) / first.scale.time
        self.path_ratio = path_ratio
        self.kept = () if kept is None else tuple(kept)
        self.sources = 0 if knobs is None else len(knobs.program.keys)
        self.one = first.temperature is not None and last.temperature is not None
        self._knobs, self._middles = knobs, middles
        if knobs is not None:  # straight lines that agree at their ends agree between them
            corners = [knobs.at(values) for values in knobs.program.corners()]
            self.one = self.one and all(device.temperature is not None for device in corners)
        self.varies = knobs is not None and knobs.heats
        self._ledger = Ledger(
            first, "program", sources=self.sources, varying=self.varies, last=last
        )

    def stages(self) -> Iterator[tuple[list[tuple[int, Landscape]], PassiveDevice]]:
        """(energies after each parameter's jump, the circuit of the tick), one a tick and the last.

        Worked out anew for every tile: matrices of every tick at once would grow with the ticks.
        """
        knobs = self._knobs
        if knobs is None or self._middles is None:
            for _ in range(len(self.steps) + 1):
                yield [], self.first
            return
        before = knobs.program.first
        for values in itertools.chain(self._middles, [knobs.program.last]):
            yield knobs.jump(before, values)
            before = values

    def tile(self, z: torch.Tensor, noise: NoiseSource) -> dict[str, torch.Tensor]:
        """All ticks for some paths.

        Args:
            z: start states, charges and fluxes or x, thermal units, shape (paths, n).
            noise: K standard normals a path and tick.

        Returns:
            The books by name (see `Ledger.result`), thermal units and nats, first axis the paths.

        Raises:
            InputError: a path that runs away.
        """
        device, found = self.first, {"start": z.clone()}
        exponent, ratio = (torch.zeros(len(z), dtype=torch.float64) for _ in range(2))
        carry = self._ledger.init(z)
        snapshots = [self._read(device, z)] if self.kept else []
        still, h, time = z.new_zeros(len(z), len(device.elements)), 0.0, 0.0
        for n, (jumps, following) in enumerate(self.stages()):
            work = None
            if following is not device:
                work = self._jump(z, device, following, jumps, exponent)
                device = following
            if n == len(self.steps):
                last = Piece(n, time, 0.0, False, -1, True)
                self._ledger.update(
                    carry, Step(last, z, z, None, None, still, still, work_correction=work)
                )
                break
            h = float(self.steps[n])
            piece = Piece(n, time, h, False, -1, True)
            normals = noise.normals(len(device.elements), n)
            step = STEPPERS[self.stepper](device, piece, z, normals)
            self._ledger.update(
                carry, step if work is None else step._replace(work_correction=work)
            )
            if self.path_ratio:
                ratio += log_ratio(self.stepper, device, h, z, step.end)
            z, time = step.end, time + h
            if n % 64 == 63 and not bool(torch.isfinite(z).all()):
                break
            if n + 1 in self.kept:
                snapshots.append(self._read(device, z))
        lost = ~torch.isfinite(z).all(1)
        if bool(lost.any()):
            raise InputError(
                f"path {int(lost.nonzero()[0])} ran away within {n + 1} ticks: the tick of "
                f"{engineering(h * device.scale.time, 's')} is too coarse for where it "
                "started; give more ticks"
            )
        found |= {"end": z} | self._ledger.result(carry, z)
        if not self.varies:
            found["medium"] = (found["heat"] / z.new_tensor(device.temperatures)).sum(1)
        if self.one:
            found["exponent"] = exponent
        if self.path_ratio:
            found["path_ratio"] = ratio
        if snapshots:
            found["series"] = torch.stack(snapshots, 1)
        return found

    def _read(self, device: PassiveDevice, z: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(device.read(z.numpy().copy()))

    def _jump(
        self,
        z: torch.Tensor,
        device: PassiveDevice,
        following: PassiveDevice,
        jumps: list[tuple[int, Landscape]],
        exponent: torch.Tensor,
    ) -> torch.Tensor | None:
        """Work of every parameter, shape (paths, P), if any does some; book beta' H' - beta H."""
        energy, works = device.landscape, {}
        for source, after in jumps:
            works[source], energy = after.minus(energy).energy(z), after
        if self.one:
            assert device.temperature is not None and following.temperature is not None
            if works:
                exponent += sum(works.values()) / following.temperature
            change = 1.0 / following.temperature - 1.0 / device.temperature
            if change != 0.0:
                exponent += change * device.landscape.energy(z)
        if not works:
            return None
        if self.sources == 1:
            return works[0][:, None]
        nothing = z.new_zeros(len(z))
        return torch.stack([works.get(source, nothing) for source in range(self.sources)], 1)
