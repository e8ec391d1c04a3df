"""Settings: what can be set, how a setting is written, and the code that sets it."""
