"""What to do next: pure policy over plain values. No threads, no clocks."""
