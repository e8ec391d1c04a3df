"""The host: hardware, devices, instruction sets in force, and processes that keep it busy."""
