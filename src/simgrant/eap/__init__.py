"""EAP-AKA and EAP-AKA': server, device, keys and algorithms, without any I/O.

Duty: turn bytes from a device and vectors from an AuC into "this is that SIM" or
"it is not". Below are only `identities` and the cryptography library; above are
the flows, which carry out what `machine.step` asks for, the ports and adapters,
which know `AuthVector`, and the simulator, which uses `peer` and `usim`.

What newcomers get wrong: the identity that goes into the keys is the text the
device sent, byte for byte, not the IMSI in it nor a tidied form. One character
of difference and every AT_MAC is wrong.
"""
