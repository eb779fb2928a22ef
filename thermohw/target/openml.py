"""Data sets through scikit-learn's `fetch_openml`, where the network allows.

Downloads go to scikit-learn's own cache (its `data_home`, ~/scikit_learn_data unless the variable
SCIKIT_LEARN_DATA says otherwise), so that the second use needs no network.
"""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np

from thermohw.errors import InputError

__all__ = ["fetch_images"]


def fetch_images(name: str, shape: tuple[int, int], remedy: str) -> np.ndarray:
    """The images of an OpenML data set as bytes.

    Args:
        name: what OpenML calls it (version 1).
        shape: rows and columns it must have.
        remedy: what the user can do without a network, for the message.

    Returns:
        Grey levels, uint8, of that shape, in OpenML's order.

    Raises:
        InputError: no network, or data that are not what they should be.
    """
    from sklearn.datasets import fetch_openml  # heavy, and only needed here

    # pandas parses the large text files ten times faster, but is not one of our dependencies
    parser = "pandas" if importlib.util.find_spec("pandas") else "liac-arff"
    where = f"OpenML {name}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its retries; the error below says it once
            bunch = fetch_openml(name, version=1, as_frame=False, parser=parser, n_retries=1)
    except (OSError, ValueError) as error:  # URLError and HTTPError are OSErrors
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"cannot be downloaded ({reason}); {remedy}", where=where) from None
    values = np.asarray(bunch["data"], dtype=np.float32)  # type: ignore[index]
    if values.shape != shape:
        raise InputError(f"found shape {values.shape}, expected {shape}; {remedy}", where=where)
    if not np.array_equal(values, np.rint(values)) or values.min() < 0 or values.max() > 255:
        low, high = float(values.min()), float(values.max())
        problem = f"found values {low:g} to {high:g}, expected whole grey levels 0..255"
        raise InputError(f"{problem}; {remedy}", where=where)
    return values.astype(np.uint8)
