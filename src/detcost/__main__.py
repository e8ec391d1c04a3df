"""``python -m detcost`` is the command line."""

from detcost.cli import main

main()
