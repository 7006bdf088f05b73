"""What partner APIs are about, as values: consumers, access tokens, usage, consent (CAMARA).

Above are `flows.camara` and the two fronts; below nothing but identities. A consumer is the OAuth
client that an operator has a contract with, never a client on a device, and no type here that
reaches a consumer has an IMSI.
"""
