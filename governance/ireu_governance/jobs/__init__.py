"""Work that takes longer than a request: tests of encoders, in a queue that outlives the processes that work on it.

Imports of the queue's library stand in `dbos_queue`; `queue`, `tester` and `requests` need the base install only.
"""
