"""Which operation is to blame for outputs that differ: its origin, its proof and its remedies."""
