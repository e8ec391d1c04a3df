"""Two programs side by side: whether their bits are equal, and what one costs against the other."""
