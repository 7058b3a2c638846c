"""The order of work: pure policy over plain values. No threads, no clocks."""
