"""Claims about reproducible TensorFlow, and verdicts on them from evidence."""
