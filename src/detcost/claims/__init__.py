"""Claims: what people are told about reproducible TensorFlow, and what a run says of it."""
