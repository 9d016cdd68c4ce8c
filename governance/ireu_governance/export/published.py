"""What of a ledger was published: its checkpoint, the tree under it, and the time stamps over it."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from ireu_governance.core import merkle
from ireu_governance.core.checkpoint import Checkpoint, SignedNote
from ireu_governance.core.errors import ErrorCode, InputError, LedgerRefusedError
from ireu_governance.core.log_checkpoint import verified_checkpoint
from ireu_governance.core.tiles import TILE_WIDTH, Tile, tile_reader, tiles_of
from ireu_governance.export.layout import stamp_path, stamped_checkpoint_path, stamped_text_path
from ireu_governance.ledger.read import LedgerReader

__all__ = ["PublishedTree", "expect_published_keys", "published_checkpoint", "stamps_of"]


def published_checkpoint(ledger: LedgerReader) -> tuple[str, Checkpoint]:
    """Return the checkpoint that was published last, with all cosignatures that it has by now.

    A head that was signed and not published (because witnesses have not cosigned it yet) is none.

    Args:
        ledger: The ledger.

    Returns:
        The signed note, and what it says.

    Raises:
        InputError: There is none, or it cannot be read.
        VerificationError: No log key signed it.
    """
    try:
        text = ledger.checkpoint_path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise InputError(
            "Nothing of this ledger was published yet.",
            hint="Publish with: ireu ledger checkpoint",
            code=ErrorCode.ENTRY_UNKNOWN,
        ) from None
    except (OSError, UnicodeDecodeError):
        raise InputError(f"The published checkpoint {ledger.checkpoint_path} cannot be read.") from None
    checkpoint = verified_checkpoint(text, ledger.key_file)
    stored = ledger.checkpoint(checkpoint.size)
    if stored is not None and stored.startswith(text.partition("\n\n")[0] + "\n\n"):
        text = stored
    return text, checkpoint


def expect_published_keys(ledger: LedgerReader, size: int) -> None:
    """Refuse to hand out a key file whose change the published entries do not tell: readers would take it for false.

    Args:
        ledger: The ledger.
        size: Number of published entries.

    Raises:
        InputError: A change of keys is recorded and not published.
    """
    change = next(iter(ledger.entries(size, kind="key-change")), None)
    if change is not None:
        raise InputError(
            f"The change of keys in entry {change.seq} is not published yet, so the key file does not fit the log.",
            hint="Publish with: ireu ledger checkpoint",
            code=ErrorCode.ENTRY_UNKNOWN,
        )


class PublishedTree:
    """The tree over the published entries, computed from their hashes.

    Attributes:
        size: Number of entries.
    """

    def __init__(self, size: int, rows: list[list[list[bytes]]]) -> None:
        self.size = size
        self._rows = rows

    @classmethod
    def read(cls, ledger: LedgerReader, checkpoint: Checkpoint) -> PublishedTree:
        """Compute the tree of a ledger.

        Args:
            ledger: Where the hashes of the entries are.
            checkpoint: What was published; the tree has to lead to its root.

        Raises:
            LedgerRefusedError: It does not.
        """
        rows: list[list[list[bytes]]] = []
        for tile in tiles_of(checkpoint.size):
            if tile.level == len(rows):
                rows.append([])
            if tile.level == 0:
                found = ledger.nodes(tile.nodes())
                hashes = [found[node] for node in tile.nodes()]
            else:
                start = tile.index * TILE_WIDTH
                below = rows[tile.level - 1][start : start + tile.width]
                hashes = [merkle.root_of_frontier(_halve(each)) for each in below]
            rows[tile.level].append(hashes)
        tree = cls(checkpoint.size, rows)
        if tree.root(checkpoint.size) != checkpoint.root:
            raise LedgerRefusedError(
                f"The ledger does not lead to the checkpoint of size {checkpoint.size} that was published.",
                hint="Run: ireu ledger audit",
            )
        return tree

    def hashes(self, tile: Tile) -> list[bytes]:
        """Return the hashes of a tile."""
        return self._rows[tile.level][tile.index][: tile.width]

    def root(self, size: int) -> bytes:
        """Return the root over the first entries."""
        return merkle.root(size, tile_reader(self.hashes, self.size))


def stamps_of(ledger: LedgerReader, text: str, size: int) -> dict[str, bytes]:
    """Return the time stamps of a checkpoint as files, with what they are over; none without stamps.

    Args:
        ledger: Where they are stored.
        text: The signed checkpoint.
        size: Its size.
    """
    tokens = {stamp_path(size, sha256(token).hexdigest()): token for _, token in ledger.stamps(size)}
    if not tokens:
        return {}
    note = SignedNote.from_text(text)
    own = tuple(each for each in note.signatures if each.name == ledger.key_file.origin)
    return {
        **tokens,
        # Without the lines of witnesses, which may still come: then the file would change.
        stamped_checkpoint_path(size): SignedNote(note.text, own).to_text().encode("utf-8"),
        stamped_text_path(size): note.text.encode("utf-8"),
    }


def _halve(hashes: Sequence[bytes]) -> list[bytes]:
    """Return the one hash over a full tile, as the only one of a frontier."""
    row = list(hashes)
    while len(row) > 1:
        row = [merkle.node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row
