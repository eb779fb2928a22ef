"""The books: accounts of every run."""

from thermohw.books.accounts import Books

__all__ = ["Books"]
