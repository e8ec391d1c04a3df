"""Evidence and decisions as text, in a terminal and in Markdown."""
