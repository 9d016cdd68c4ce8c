"""Training of the testbed's networks, one module a stage; `Workshop` is what all stages share."""
