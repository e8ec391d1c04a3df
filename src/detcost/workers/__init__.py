"""WorkerFactory: fresh processes that each run one cell, and the requests sent to them."""
