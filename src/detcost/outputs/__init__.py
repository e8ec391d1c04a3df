"""Outputs of a step: their digests, and the distance between two of them."""
