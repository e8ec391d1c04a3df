"""The host: its hardware, its devices, its libraries, and how to keep it busy."""
