"""Laws and bounds, as pure functions of a stored run."""
