"""Learned scores: a trunk, a head that knows the data's shape, exact divergences."""

from thermohw.score.network.score import Head, NetworkField, NetworkScore, build_head

__all__ = ["Head", "NetworkField", "NetworkScore", "build_head"]
