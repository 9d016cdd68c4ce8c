"""What lies where in an exported folder, and the text that explains it to whoever opens it."""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "CHECKPOINT",
    "KEYS",
    "LARGE",
    "MANIFEST",
    "MAX_DOCUMENT_BYTES",
    "MODEL_KEY",
    "README",
    "STAMPS",
    "STATUS",
    "TILES",
    "explain_export",
    "history_path",
    "is_document",
    "stamp_path",
    "stamped_checkpoint_path",
    "stamped_text_path",
]

CHECKPOINT: Final = "checkpoint"
KEYS: Final = "keys.json"
MANIFEST: Final = "manifest.json"
MODEL_KEY: Final = "model.pub.pem"
README: Final = "README.txt"
STATUS: Final = "status.json"
STAMPS: Final = "stamps/"
TILES: Final = "tile/"
LARGE: Final = "large/"

MAX_DOCUMENT_BYTES: Final = 16 * 2**20  # of one document beside the entries; a status list has some kilobytes

_DOCUMENT = re.compile(
    r"README\.txt|keys\.json|status\.json|model\.pub\.pem"
    r"|history/keys\.v[1-9][0-9]{0,8}\.json"
    r"|stamps/(0|[1-9][0-9]{0,15})/(checkpoint|checkpoint-text|[0-9a-f]{16}\.tst)"
)

_EXPORT = """\
Transparency log of {organisation}
{origin}

This folder is a whole ledger of removals, as files. It can be checked without a database and without the help
of whoever runs it.

  checkpoint        signed head of the log: number of entries, root over them, signatures
  tile/entries/     the entries, 256 to a file
  tile/0/ …         the Merkle tree over them, 256 hashes to a file
  large/            entries of more than 65,535 bytes, by number
  keys.json         public keys of the log; history/ holds the earlier versions
  status.json       certificates that were withdrawn or replaced, if any were issued
  stamps/           time stamps of independent authorities (RFC 3161), if any were got
  manifest.json     signed list of this file and the others beside the entries

To check all of it:

  pip install ireu-sdk
  ireu ledger audit FOLDER --key keys.json

Take keys.json from the organisation directly, by another way than this folder, and compare its digest with what
they say on the telephone. The keys in this folder prove nothing by themselves: whoever makes up a log makes up
its keys as well. The audit ends with exit code 0 when nothing is wrong, 1 when something is, and says what.

An export that was stopped can leave files that the checkpoint does not account for. The audit reports them; the
next export puts them right.

Formats: https://c2sp.org/tlog-tiles, https://c2sp.org/tlog-checkpoint, RFC 6962. Entries are in-toto statements in
DSSE envelopes. In one point this folder goes beyond tlog-tiles: an entry of more than 65,535 bytes stands in its
bundle with the length 0, and its bytes are in large/. Nothing in this folder is about an identifiable person:
people are random numbers, and what is known about them is kept elsewhere and can be erased.
"""


def explain_export(*, organisation: str, origin: str) -> str:
    """Return the read-me of an exported folder: always the same for the same log."""
    return _EXPORT.format(organisation=organisation, origin=origin)


def history_path(version: int) -> str:
    """Return where an earlier version of the key file lies."""
    return f"history/keys.v{version}.json"


def stamp_path(size: int, digest: str) -> str:
    """Return where a time stamp of a checkpoint lies.

    Args:
        size: The checkpoint's size.
        digest: SHA-256 of the token in hex.
    """
    return f"{STAMPS}{size}/{digest[:16]}.tst"


def stamped_checkpoint_path(size: int) -> str:
    """Return where the checkpoint lies that the stamps beside it are over."""
    return f"{STAMPS}{size}/{CHECKPOINT}"


def stamped_text_path(size: int) -> str:
    """Return where the very bytes lie that were stamped: the checkpoint without its signatures."""
    return f"{STAMPS}{size}/{CHECKPOINT}-text"


def is_document(path: str) -> bool:
    """Return whether a path is that of a document beside the entries, other than the manifest and the checkpoint."""
    return _DOCUMENT.fullmatch(path) is not None
