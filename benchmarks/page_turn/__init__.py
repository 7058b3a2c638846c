"""What a reader feels: the time from the finger to something painted, and to the sharp page, beside what else one would use."""
