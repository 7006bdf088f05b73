"""The tables of TS.43 and its neighbours as data, and the ids that the code uses.

Above: everyone. Below: `errors`. A number or name that a specification gives is written down here
once, with its clause, and nowhere else.
"""
