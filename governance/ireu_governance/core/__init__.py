"""Formats and verifications: bytes in, verdict out. Nothing here touches files, a database or the network.

Read in this order: `canonical` (JSON with one spelling), `ed25519` and `keys` (who may sign what), `envelope`
(signed bytes), `statement` (what is said), `merkle`, `checkpoint` and `proof` (that it was logged),
`decision` (what test figures mean), and `certificate`, which brings them together.
"""
