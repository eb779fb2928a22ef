"""What operations cost: price models with their sources, price sheets, and published points."""

from thermohw.prices.model import CONDITIONS, PriceModel
from thermohw.prices.models import MODELS, model
from thermohw.prices.price import Price
from thermohw.prices.published import PricePoint, PublishedTotal, points, published_totals
from thermohw.prices.sheet import PriceEntry, Prices, price_sheet_names, read_prices

__all__ = [
    "CONDITIONS",
    "MODELS",
    "Price",
    "PriceEntry",
    "PriceModel",
    "PricePoint",
    "Prices",
    "PublishedTotal",
    "model",
    "points",
    "price_sheet_names",
    "published_totals",
    "read_prices",
]
