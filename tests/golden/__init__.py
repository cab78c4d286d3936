"""Official scores against ours, one module a benchmark; see tests/check_golden.py."""
