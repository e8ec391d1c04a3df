"""Everything that asv loads: plugins, and the class that the benchmarks inherit."""
