"""Runs of the pipeline (*.toml) and studies of one published figure or table each (*.py)."""
