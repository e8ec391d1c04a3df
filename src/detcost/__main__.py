"""The command line as a module: ``python -m detcost``."""

from detcost.cli.main import main

main()
