"""The record: statements, signatures, ledger, evidence, certificates. Never imports torch or mlflow."""
