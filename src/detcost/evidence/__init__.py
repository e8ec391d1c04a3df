"""Evidence: the record of one cell, the file of a run, and how both are read."""
