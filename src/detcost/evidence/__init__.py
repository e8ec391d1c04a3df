"""Evidence: the record of one cell, the file that a run writes, and how to read both."""
