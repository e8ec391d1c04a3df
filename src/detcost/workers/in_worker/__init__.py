"""The program inside a worker, built under a setting that is verified to be in force."""
