"""A farm of machines: the plan, its jobs, their ledger, the engine that takes jobs to machines."""
