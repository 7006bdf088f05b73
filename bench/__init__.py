"""The fixed load scenarios: what a request costs, beside a bare server in the same run.

`python -m bench` runs them all (docs/bench.md says how to read the figures);
`python -m bench.profile` shows where the time of one request goes.
"""
