"""The record of one tick: what moved, what pushed, what was booked where.

Every energy in the books is a product of a force and a flow, so a step carries the pairs and the
ledger only multiplies and adds:

    heat into bath k   force_k * charge_k + correction   force = X_k where the stepper evaluates it,
                                                     charge = y_k
    work of emf k      - emf_k * charge_k              the held or midpoint source
    work of port p     current_p * flux_p              flux = int v dt of the port

`work_correction` is work beyond those products, where a source moves inside the step or a parameter
of the circuit jumps at its start. `heat_correction` is the part of int X o dy that the product of
the two totals misses; a stepper that needs none leaves it out. The stepper owns WHERE in the tick
everything is evaluated; nobody downstream re-evaluates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from thermohw.control import Control, Piece
    from thermohw.noise import NoiseSource

__all__ = ["Act", "Step", "Stepper"]


class Act(Protocol):
    """The controller as a stepper sees it: the law at the end of the piece, or in its middle, for a
    state (paths, n).
    """

    def __call__(self, state: torch.Tensor, *, middle: bool = False) -> Control:
        """Evaluate the law."""
        ...


class Step(NamedTuple):
    """One step of every path in a tile; thermal units; n state variables, K elements, P ports.

    Attributes:
        piece: which stretch of the run it covers.
        start: state before, shape (paths, n).
        end: state after, shape (paths, n).
        control: the decision applied during the step; None while the sources still rest.
        next_control: the decision at the end, where it is already known (exact readings), else
            None.
        force: X_k, shape (paths, K).
        charge: y_k, charge that left through every element, shape (paths, K).
        heat_correction: heat beyond force * charge, shape (paths, K), or None.
        emf: sources in series with the elements as used for work, shape (paths, K); None under
            current wiring.
        current: injected currents, shape (paths, P); None under emf wiring.
        flux: int v dt of the ports, shape (paths, P); None where no port works and nobody asked.
        work_correction: work of the sources beyond these, shape (paths, sources), or None.
        lag: what the sources remember at the end, shape (paths, states, sources), or None.
        pushed: the source values that moved the state, in the order in which they were evaluated,
            each (paths, sources); None where that is the decision alone.
        temperatures: T_k of the baths, shape (K,), where a program sets each; None where the piece
            says it.
    """

    piece: Piece
    start: torch.Tensor
    end: torch.Tensor
    control: Control | None
    next_control: Control | None
    force: torch.Tensor
    charge: torch.Tensor
    heat_correction: torch.Tensor | None = None
    emf: torch.Tensor | None = None
    current: torch.Tensor | None = None
    flux: torch.Tensor | None = None
    work_correction: torch.Tensor | None = None
    lag: torch.Tensor | None = None
    pushed: tuple[torch.Tensor, ...] | None = None
    temperatures: NDArray[Any] | None = None


class Stepper(Protocol):
    """Advances a tile of paths over one piece of the timeline.

    Attributes:
        normals: standard normals a path needs per step.
    """

    normals: int

    def step(
        self,
        piece: Piece,
        state: torch.Tensor,
        control: Control | None,
        *,
        noise: NoiseSource,
        act: Act | None,
    ) -> Step:
        """Take one step.

        Args:
            piece: the stretch of time; the input is constant during it for held control.
            state: shape (paths, n).
            control: the decision at the start (None: sources at rest).
            noise: where normals come from.
            act: evaluates the law at the end (or middle) of the piece for a state; None where the
                controller must wait for a noisy reading or a late value.
        """
        ...
