"""Partner APIs: who may ask what of whose line, and what is answered (CAMARA; ADR 0054).

Above are `fronts.camara` and compose; below the ports. What newcomers get wrong: nothing here knows
HTTP but its statuses, and nothing that a consumer is told has an IMSI.
"""
