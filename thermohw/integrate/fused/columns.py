"""Names of the columns of the tables that a kernel reads.

Whole numbers stand here and not in the kernel, so that whoever fills a table and whoever reads it
cannot disagree. A column is one number per piece (or tick), or one per piece and node.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = [
    "AFFINE", "GENERAL", "PAIR", "SHARED", "Coefficient", "NodeEntry", "PieceEntry", "Scalar",
    "Switch", "Tick", "TraceEntry",
]  # fmt: skip

AFFINE, PAIR, SHARED, GENERAL = range(4)
"""Kinds of laws: sources = gain v + bias; two modes on a line; modes of one covariance; any."""


class Switch(IntEnum):
    """Of a whole run, whole numbers; 1 for yes where nothing else is said."""

    KIND = 0  # of the law
    MODES = 1  # of a mixture
    FULL = 2  # covariances are matrices
    CURRENT = 3  # currents into the nodes, not emfs
    IDEAL = 4  # exact readings and sources
    WANTED = 5  # div u is summed
    NOISY = 6  # readings have noise
    SHAKY = 7  # the score has
    SENSES = 8  # readings have gain or offset
    CONVERTS = 9  # and codes
    DRIVES = 10  # sources have codes
    SWINGS = 11  # an amplifier that is not ideal
    KNOWS = 12  # a filter follows the readings
    FILTERS = 13  # and the law acts on its estimate
    TELLS = 14  # information is accounted
    FOLLOWS = 15  # surprises of the filter are
    CLOSING = 16  # the law is evaluated at the end, too
    KEEPS = 17  # scores are kept for frames
    BALANCES = 18  # conditional means of heat are summed
    PATHS = 19  # how many


class Scalar(IntEnum):
    """Of a whole run, state's precision; thermal units."""

    ONE = 0
    ROOT = 1  # model units by volts, sqrt(theta)
    NOISE = 2  # standard deviation of a reading
    SHAKE = 3  # of a score, model units
    ADC = 4  # middle, half the number of codes, step
    DAC = 7
    FOLLOWER = 10  # A/(1 + A) of the amplifier
    SWING = 11  # its largest output
    FACTOR = 12  # of a scaled score


class NodeEntry(IntEnum):
    """Of every node, state's precision."""

    STIFFNESS = 0  # 1/C
    SENSE = 1  # gain of a reading
    OFFSET = 2
    TUNE = 3  # gain of the control
    LIFT = 4  # offset of the amplifier


class PieceEntry(IntEnum):
    """Of every piece, whole numbers."""

    TICK = 0  # which tick it lies in
    READS = 1  # a reading is taken at its start: 1, or 2 where its decision never acts
    APPLIES = 2  # the tick whose decision acts; -1 while the sources rest
    CHANNEL = 3  # first channel of its noise
    WATCHED = 4  # products of residuals are summed
    FRAME = 5  # row of the frames that its start is; -1 for none
    FLUSH = 6  # partial sums enter the accounts after it


class Coefficient(IntEnum):
    """Of every piece and node, state's precision; thermal units."""

    LOSS = 0  # start state that is gone at the end, 1 - phi
    INPUT = 1  # by source, or by current
    SPREAD = 2  # by its normal
    SUM_STATE = 3  # int v dt by start state
    SUM_INPUT = 4  # by current
    FOLLOW = 5  # by the same normal
    REST = 6  # by a second one
    LENGTH = 7  # of the piece
    PULL = 8  # residual: effort that is gone, 1 - Phi
    PUSH = 9  # effort by source
    ONE = 10  # conditional heat: by force^2 (emf), by v^2 (current)
    TWO = 11  # by v i
    THREE = 12  # by i^2
    CONDUCTANCE = 13  # gamma
    PREDICT = 14  # of the filter: effort by effort
    RESPOND = 15  # by source
    PACE = 16  # R_ref/R in force


class Tick(IntEnum):
    """Of every tick and node, state's precision: what a decision is made with."""

    STATE = 0  # source by voltage; of an AFFINE law all of it
    SCORE = 1  # source by score; of an AFFINE law the bias
    WEIGHT = 2  # div u by ds_j/dx_j
    GAIN = 3  # of the filter
    CONSTANT = 4  # div u without the score


class TraceEntry(IntEnum):
    """What is kept of the first rows of a tile at every reading."""

    VOLTAGE = 0
    READING = 1
    PREDICTED = 2
    ESTIMATE = 3
