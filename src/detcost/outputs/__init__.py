"""Outputs: their digests, and how far two outputs are apart."""
