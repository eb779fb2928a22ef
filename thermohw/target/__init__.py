"""Data distributions: what the generated samples should look like.

`gaussian`, `gaussian_mixture`, `uniform_pixels`, `gaussian_pixels` are known exactly; `digits`,
`mnist`, `cifar10` and `array` are data sets; `fitted_mixture` is a known law in place of one.
`target_from_dict` builds any of them from the [target] table of a SPEC or from a stored run.
"""

from __future__ import annotations

from thermohw.target.array import array
from thermohw.target.base import Target, provide_exact_scores
from thermohw.target.cifar import cifar10
from thermohw.target.dataset import DataSet
from thermohw.target.digits import digits
from thermohw.target.fitted import FittedMixture
from thermohw.target.gaussian import GaussianMixture, gaussian, gaussian_mixture
from thermohw.target.joint import JointMixture, JointTarget, lift, momentum_entropy
from thermohw.target.law import MixtureLaw
from thermohw.target.mnist import mnist
from thermohw.target.pixels import GaussianPixels, gaussian_pixels
from thermohw.target.registry import TARGETS, fitted_mixture, joint, target_from_dict
from thermohw.target.uniform import UniformPixels, uniform_pixels

__all__ = [
    "TARGETS",
    "DataSet",
    "FittedMixture",
    "GaussianMixture",
    "GaussianPixels",
    "JointMixture",
    "JointTarget",
    "MixtureLaw",
    "Target",
    "UniformPixels",
    "array",
    "cifar10",
    "digits",
    "fitted_mixture",
    "gaussian",
    "gaussian_mixture",
    "gaussian_pixels",
    "joint",
    "lift",
    "mnist",
    "momentum_entropy",
    "provide_exact_scores",
    "target_from_dict",
    "uniform_pixels",
]
