"""The main job: from a SPEC to a stored, audited run."""
