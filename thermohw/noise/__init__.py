"""Random numbers: a function of (seed, stream, path, channel, tick), and generators in order."""

from thermohw.noise.generators import block_generator, block_rng
from thermohw.noise.philox import VERSION
from thermohw.noise.sources import (
    Draws,
    EventNumbers,
    NoiseSource,
    Random,
    Recording,
    TickNoise,
    choice,
    kernels,
    normal,
    uniform,
)
from thermohw.noise.streams import Stream

__all__ = [
    "EventNumbers",
    "VERSION",
    "Draws",
    "NoiseSource",
    "Random",
    "Recording",
    "Stream",
    "TickNoise",
    "block_generator",
    "block_rng",
    "choice",
    "kernels",
    "normal",
    "uniform",
]
