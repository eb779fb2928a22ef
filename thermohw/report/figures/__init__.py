"""Drawings: arrays in, markup or bitmaps out. Nothing here opens a file."""
