"""All that asv loads: the plugins, and the base class of the benchmarks."""
