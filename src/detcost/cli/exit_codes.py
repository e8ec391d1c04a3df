"""The exit codes of the command line."""

DONE, SOME_FAILED, USAGE_ERROR, INTERRUPTED = 0, 1, 2, 130
