"""Laws and bounds of a stored run: a pure function of its file.

The package itself can be called, `thermohw.audit("run.h5")`, as the function `audit` it holds.
"""

from thermohw.audit.audit import audit
from thermohw.audit.record import Audit
from thermohw.audit.verdict import Check, Quantity
from thermohw.rooms import make_callable

__all__ = ["Audit", "Check", "Quantity", "audit"]

make_callable(__name__, audit)
