"""Making a witness, and starting one: its private key and what it remembers belong together."""

from __future__ import annotations

from pathlib import Path

from ireu_governance.core.cosignature import Cosigner
from ireu_governance.core.errors import ConfigError, ErrorCode
from ireu_governance.core.keys import PrivateKey
from ireu_governance.core.mldsa import MlDsaPrivateKey
from ireu_governance.core.verifier_key import VerifierKey
from ireu_governance.keystore import load_any_private_key, save_private_key
from ireu_governance.witness.app import Witness
from ireu_governance.witness.state import KnownLogs
from ireu_governance.witness.store import WitnessStore

__all__ = ["create_witness", "open_witness"]


def create_witness(
    name: str, *, key_path: Path, state_path: Path, passphrase: bytes | None, post_quantum: bool = False
) -> VerifierKey:
    """Make the key of a new witness, and the file in which it will remember what it signed.

    Args:
        name: Its name, a schema-less URL such as ``witness.example/w1``.
        key_path: File of the private key; nothing may be there.
        state_path: File of what it remembers; nothing may be there.
        passphrase: What the private key is encrypted with; None leaves it in clear.
        post_quantum: Whether it signs with ML-DSA-44 instead of Ed25519.

    Returns:
        Its verifier key, for policies.

    Raises:
        InputError: The name is no key name.
        ConfigError: A file is there, or cannot be written.
    """
    key = MlDsaPrivateKey.generate() if post_quantum else PrivateKey.generate()
    public = Cosigner(name, key).key
    save_private_key(key_path, key, passphrase)
    try:
        WitnessStore.create(state_path, key=public.to_text())
    except BaseException:
        key_path.unlink(missing_ok=True)  # nobody can have used it yet
        raise
    return public


def open_witness(*, key_path: Path, state_path: Path, passphrase: bytes | None, logs: KnownLogs) -> Witness:
    """Start a witness.

    Args:
        key_path: File of its private key.
        state_path: File of what it remembers, which also knows its name.
        passphrase: What the private key is encrypted with.
        logs: The logs that it serves.

    Returns:
        The witness.

    Raises:
        ConfigError: The key cannot be used, the file is missing, or they do not belong together; or no log is
            named.
    """
    if not logs:
        raise ConfigError("The witness knows no log.", hint="Name one: --log VKEY, or --policy FILE with log lines.")
    key = load_any_private_key(key_path, passphrase)
    store = WitnessStore(state_path)
    cosigner = Cosigner(store.key.name, key)
    if cosigner.key != store.key:
        raise ConfigError(
            f"The witness's file {state_path} belongs to another key than {key_path}.",
            hint="Name the key that it was made with; each witness has a file of its own.",
            code=ErrorCode.WITNESS_STATE_MISSING,
        )
    if any(each.key.raw == store.key.key.raw for keys in logs.values() for each in keys):
        raise ConfigError(
            "The witness's key is also the key of a log that it serves: nobody is a witness in their own cause.",
            hint="Make a key for the witness alone: ireu witness keygen.",
            code=ErrorCode.KEY_UNUSABLE,
        )
    return Witness((cosigner,), logs, store)
