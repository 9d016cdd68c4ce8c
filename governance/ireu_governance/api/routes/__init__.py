"""Routes, one module a subject.

Each module has `router`, whose paths stand below `/v1`, or `root_router`, whose paths are what they are, or both.
"""
