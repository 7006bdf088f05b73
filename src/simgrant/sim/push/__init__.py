"""The receiving ends of push: servers that play Google, Apple, Microsoft and a message centre.

They speak the real protocols over loopback, check what they are sent as strictly as their models
say they do, keep what they took over, and misbehave in one way at a time (`switch.Fault`).
"""
