"""Workers: fresh processes that each run one cell, and the requests to them."""
