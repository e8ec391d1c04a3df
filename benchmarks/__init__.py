"""The asv suite. Here the core set, which a plain ``asv run`` measures.

``more`` holds the other scenarios and ``harness`` the speed of detcost itself;
``DETCOST_PROFILE=full``, or naming them (``asv run -b gru``), measures them too.
"""
