"""The command line: thin commands over ireu_sdk and ireu_governance."""
