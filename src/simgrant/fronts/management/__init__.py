"""What operations ask: is it alive, is it ready, what does it count, what does it serve.

On a listener of its own, never reachable from the device plane. Nothing here
shows an identity or a secret.
"""
