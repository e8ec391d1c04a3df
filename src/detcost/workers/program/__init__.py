"""The program inside a worker: built under a setting that is proved to be in force."""
