"""From evidence to a decision: which setting keeps the bits at the lowest cost."""
