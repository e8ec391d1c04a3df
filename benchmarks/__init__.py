"""The asv benchmarks. The modules of this folder are the core set, which ``asv run`` measures.

``more`` has the other scenarios, and ``harness`` has benchmarks of detcost itself. They run with
``DETCOST_PROFILE=full``, or by name (``asv run -b gru``).
"""
