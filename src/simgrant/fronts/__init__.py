"""Who calls us: parse the call, run one flow, render the answer, map the errors.

Above: `compose`, which mounts the fronts. Below: `flows`, the only thing a front may ask for
anything. Fronts do not know each other, and nothing is decided in them: what two fronts would both
need belongs in a flow.
"""
