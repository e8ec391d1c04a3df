"""Settings: the levers, the grammar that combines them, and the code that applies a setting."""
