"""The probe: it digests what every operation of a program takes and gives, while it runs."""
