"""What lies where in an evidence pack, and the text that explains it to whoever opens it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ireu_governance.export.layout import CHECKPOINT, KEYS, MANIFEST, MODEL_KEY, STAMPS, STATUS

__all__ = ["certificate_path", "entry_path", "explain_pack", "proof_path"]

_PACK: Final = """\
Evidence pack of one case
{organisation}
Log   {origin}, {size} entries
Case  {case_id}

Everything that the log holds about this case, with the proof that it is in the log. The case is a random number;
nothing in here is about an identifiable person.

{contents}
{left_out}
To check all of it, with nothing but this file and the key file of the organisation:

  pip install ireu-sdk
  ireu certificate verify-pack case.zip --key keys.json
  ireu certificate verify certificates/{first} --key keys.json

The first command needs the network once; the others need none. For the third, take the certificate out of the
archive; with --status status.json it also says whether the certificate was withdrawn later. Take keys.json from
the organisation directly and not out of this pack, and compare its digest with what they say on the telephone. The
second command should end with "holds" and exit code 0; the third says the same of one certificate by itself.
"does-not-hold" and exit code 1 mean that something was changed or is not what it claims to be; exit code 2, that it
could not be decided, for example because a file cannot be read. Do not unpack and pack the archive again: it would
no longer verify.

What this pack does not show: that the log holds no further entry about the case. Whoever has the whole log
(ireu ledger audit FOLDER) can see that. What a certificate says and does not say stands in it.
"""


# What a pack can hold, in the order in which it is told: where its paths begin, its name, and what it is.
_CONTENTS: Final = (
    ("certificates/", "removal certificates: .json is the certificate, .pdf and .html are pages of it to read"),
    ("entries/", "the entries of the case as they were signed, and for each the proof that it is in the log"),
    (CHECKPOINT, "signed head of the log that all proofs lead to"),
    (KEYS, "public keys of the log"),
    ("history/", "earlier versions of the public keys"),
    (STATUS, "which certificates of the log were withdrawn or replaced, up to this checkpoint"),
    (STAMPS, "time stamps of independent authorities over this checkpoint (RFC 3161)"),
    (MODEL_KEY, "public key of signatures over encoders (OpenSSF Model Signing)"),
    (MANIFEST, "signed list of all other files"),
)


def explain_pack(
    *,
    organisation: str,
    origin: str,
    size: int,
    case_id: str,
    paths: Iterable[str],
    certificates: Sequence[str],
    left_out: Sequence[str],
) -> str:
    """Return the read-me of an evidence pack.

    Args:
        organisation: Who runs the log.
        origin: Name of the log.
        size: Size of the checkpoint.
        case_id: The case.
        paths: Where its files lie, but for this text.
        certificates: Names of the certificates in it, without their folder.
        left_out: What is not in it, and why, a sentence each.
    """
    held = tuple(paths)
    contents = [f"  {start:<18}{words}" for start, words in _CONTENTS if any(path.startswith(start) for path in held)]
    remarks = "".join(f"\n{each}" for each in left_out)
    return _PACK.format(
        organisation=organisation,
        origin=origin,
        size=size,
        case_id=case_id,
        first=certificates[0] if certificates else "NAME.json",
        contents="\n".join(contents),
        left_out=f"{remarks}\n" if remarks else "",
    )


def certificate_path(removal_seq: int, certificate_id: str, suffix: str) -> str:
    """Return where a certificate or a page of it lies; names that people gave to files stay out of packs."""
    return f"certificates/removal-{removal_seq}-{certificate_id[:8]}.{suffix}"


def entry_path(seq: int) -> str:
    """Return where an entry's envelope lies."""
    return f"entries/{seq:08d}.json"


def proof_path(seq: int) -> str:
    """Return where the proof of an entry lies."""
    return f"entries/{seq:08d}.tlog-proof"
