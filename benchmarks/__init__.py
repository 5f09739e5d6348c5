"""Measurements of openbook on this machine. `python -m benchmarks` checks every budget of docs/design.md."""
