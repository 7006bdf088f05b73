"""What partner APIs do: prove consumers, issue and read access tokens, answer questions (CAMARA).

Above is ``fronts.camara``, below are ports. What newcomers get wrong: a consumer is the OAuth
client; the device's clients are something else (docs/concepts.md).
"""
