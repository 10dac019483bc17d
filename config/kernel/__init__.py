"""The shared kernel: bases, units, locks, audit; it imports nothing of ours."""
