"""Benchmarks: ratios within one run, medians of repetitions. `make bench`."""
