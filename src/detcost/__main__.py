"""``python -m detcost`` is the command line."""

from detcost.cli.main import main

main()
