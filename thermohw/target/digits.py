r"""Real handwritten digits: the 8 x 8 images that scikit-learn ships, 1797 of them.

Pixels are whole grey levels 0..16, dequantised to [0, 17). The first 1500 images are for training,
their last 150 of them held back for validation; the other 297 are the test set. The order of the
file separates writers, so the test digits come from hands the model has not seen.

Reference: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
Repository (1998), https://doi.org/10.24432/C50P49
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from thermohw.target.dataset import TEST, TRAIN, VALIDATION, DataSet

__all__ = ["digits"]

_TRAINING, _VALIDATION = 1500, 150


def digits(*, arrays: Mapping[str, np.ndarray] | None = None) -> DataSet:
    """Handwritten digits, 64 pixels, data units grey levels 0..17.

    Args:
        arrays: rows and split of a stored run, instead of scikit-learn's copy.

    Returns:
        The data set, mean 0 and average variance 1 in model units.
    """
    if arrays is None:
        from sklearn.datasets import load_digits  # heavy, and only needed here

        rows = np.asarray(load_digits(return_X_y=True)[0]).astype(np.uint8)
        split = np.full(len(rows), TEST, dtype=np.int8)
        split[:_TRAINING] = TRAIN
        split[_TRAINING - _VALIDATION : _TRAINING] = VALIDATION
    else:
        rows, split = arrays["rows"], arrays["split"]
    name = "handwritten digits"
    return DataSet(rows, split, table={"kind": "digits"}, name=name, step=1.0, image_shape=(8, 8))
