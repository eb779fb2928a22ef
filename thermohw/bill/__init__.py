"""What a sample costs outside the circuit: operations counted, priced, and added up."""

from thermohw.bill.bill import PARTS, Bill, BillLine, Help, Tariff, make_bill
from thermohw.bill.operations import Operations, operations_of

__all__ = [
    "PARTS",
    "Bill",
    "BillLine",
    "Help",
    "Operations",
    "Tariff",
    "make_bill",
    "operations_of",
]
