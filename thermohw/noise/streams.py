"""What random numbers are for."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Stream"]


class Stream(IntEnum):
    """Part of every stored run's meaning, never to be renumbered.

    No run uses two of the names that share a number: stored runs have likelihoods, studies have
    cells.
    """

    TICKS = 0  # noise of the circuit
    START = 1  # start states
    LIKELIHOOD = 2  # noised test points
    CELLS = 2  # cells of a study
    BOARDS = 3  # steps of active circuits
    READINGS = 4  # of a controller, and of its score
    WAVEFORMS = 5  # values of noise sources
    EVENTS = 6  # of circuits whose paths have clocks of their own
    TWINS = 7  # what imperfections and ticks do, measured on a few paths
    KNOWN_LAW = 8  # the model twin: training, samples and noised samples of a fitted mixture
