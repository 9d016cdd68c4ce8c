"""The public log over HTTP: what the command line shows, byte for byte what is exported, and nothing unpublished."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import builders
import httpx2
import pytest
from fixtures.command import Ireu
from fixtures.records import RecordedRemoval, record_removal
from fixtures.service import GENEROUS, Service, open_service
from starlette.testclient import TestClient

from ireu_governance.api.app import create_app
from ireu_governance.core import merkle
from ireu_governance.core.checkpoint import Checkpoint, SignedNote
from ireu_governance.core.consistency import ConsistencyProof
from ireu_governance.core.keys import Role
from ireu_governance.core.log_checkpoint import verified_checkpoint
from ireu_governance.core.proof import LogProof
from ireu_governance.core.statement import Draft
from ireu_governance.core.tiles import MAX_BUNDLED_ENTRY
from ireu_governance.core.verdict import Verdict
from ireu_governance.ledger.log_source import StaticSource, web_fetcher
from ireu_governance.ledger.monitor import follow
from ireu_governance.service.settings import ServiceSettings
from ireu_governance.web import WebClient
from ireu_governance.workspace import Workspace

ENTRIES = 300  # a full tile and a partial one
LARGE_SEQ = 200


def draft(seq: int) -> Draft:
    case_id = f"{seq:032x}"
    fields = builders.make_request((case_id,))
    del fields["recorded_at"]
    return Draft(subject=builders.BEFORE.subjects(), kind="removal-request", fields=fields)


def large_draft(removal: int) -> Draft:
    cases = [f"{each:032x}" for each in range(1000, 1250)]
    fields = builders.make_verification(removal, cases)
    del fields["recorded_at"]
    return Draft(subject=builders.AFTER.subjects(), kind="verification", fields=fields)


def grow(workspace: Workspace, size: int, *, publish: bool = True, first_case: int = 0) -> None:
    with workspace.open_ledger() as ledger:
        have = ledger.head().size
        drafts = [large_draft(1) if seq == LARGE_SEQ else draft(first_case + seq) for seq in range(have, size)]
        ledger.append(drafts, workspace.signer(Role.RECORD))
        if publish:
            ledger.publish(workspace.signer(Role.LOG))


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    recorded = record_removal(tmp_path_factory.mktemp("big") / "workspace")
    grow(recorded.workspace, 100)
    grow(recorded.workspace, ENTRIES)
    grow(recorded.workspace, ENTRIES + 5, publish=False)
    with open_service(recorded) as opened:
        yield opened


def checkpoint_of(service: Service) -> Checkpoint:
    return verified_checkpoint(service.get("/checkpoint").text, service.workspace.key_file())


def without_nulls(value: Any) -> Any:
    signed = {"extractor", "generator_digest", "model"}  # these are null in what was signed
    if isinstance(value, dict):
        return {k: without_nulls(each) for k, each in value.items() if each is not None or k in signed}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def links(answer: Any) -> str | None:
    link = answer.headers.get("link")
    return None if link is None else link.partition(">")[0].removeprefix("<")


def test_ledger_says_its_head_and_keys(service: Service) -> None:
    answer = service.get("/v1/ledger")
    found = answer.json()
    head = verified_checkpoint(found["checkpoint"], service.workspace.key_file())
    assert (found["size"], found["root"], found["origin"]) == (3, head.root.hex(), "example.org/ireu")
    assert found["key_file"]["digest"] == service.workspace.key_file().digest
    assert found["has_quorum"] is None
    assert answer.headers["cache-control"] == "public, max-age=5"


def test_ledger_without_anything_published_is_empty_and_proves_nothing(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "w", organisation="Example")
    with open_service(RecordedRemoval(workspace, "0" * 32, tmp_path / "none")) as service:
        found = service.get("/v1/ledger").json()
        assert (found["size"], found["checkpoint"], found["root"]) == (0, None, merkle.EMPTY_ROOT.hex())
        assert service.get("/v1/ledger/entries").json()["entries"] == []
        for path in ("/checkpoint", "/v1/ledger/checkpoint", "/v1/ledger/entries/0", "/tile/0/000.p/1"):
            assert service.get(path).status_code == 404, path
        assert service.get("/v1/ledger/proofs/inclusion?seq=0").json()["code"] == "entry-unknown"
        assert service.get("/v1/ledger/status-list").status_code == 404
        assert service.get("/v1/ledger/search?q=abcdef").json()["hits"] == []


def test_lists_and_entries_are_what_the_command_line_shows(service: Service, ireu: Ireu) -> None:
    place = ("--workspace", service.workspace.root)
    shown = ireu(*place, "ledger", "log", "--json").document
    listed = service.get("/v1/ledger/entries").json()
    assert listed["entries"] == shown["entries"]
    assert (listed["origin"], listed["size"]) == (shown["origin"], shown["size"])
    for seq in range(3):
        shown = ireu(*place, "ledger", "show", str(seq), "--json").document
        # The command line shows members that are absent from what was signed as null.
        assert service.get(f"/v1/ledger/entries/{seq}").json() == without_nulls(shown)


def test_proofs_are_those_of_the_command_line_and_lead_to_the_checkpoint(service: Service, ireu: Ireu) -> None:
    place = ("--workspace", service.workspace.root)
    for seq in range(3):
        shown = ireu(*place, "ledger", "prove", str(seq), "--json").document
        found = service.get(f"/v1/ledger/proofs/inclusion?seq={seq}").json()
        assert {name: found[name] for name in shown} == shown
        text = service.get(f"/v1/ledger/proofs/inclusion?seq={seq}", headers={"Accept": "text/plain"})
        assert text.headers["content-type"] == "text/plain; charset=utf-8"
        assert text.text == shown["proof"]
        assert text.headers["vary"] == "Accept"
    shown = ireu(*place, "ledger", "prove", "--from", "1", "--to", "3", "--json").document
    assert service.get("/v1/ledger/proofs/consistency?from=1&to=3").json() == shown
    assert service.get("/v1/ledger/proofs/consistency?from=1").json() == shown
    text = service.get("/v1/ledger/proofs/consistency?from=1", headers={"Accept": "text/plain"}).text
    assert ConsistencyProof.from_text(text).old_size == 1


def test_every_entry_is_proven_in_the_published_log(big: Service) -> None:
    head = checkpoint_of(big)
    assert head.size == ENTRIES
    for seq in (0, 1, 99, 100, 255, 256, ENTRIES - 1):
        proof = LogProof.from_text(
            big.get(f"/v1/ledger/proofs/inclusion?seq={seq}", headers={"Accept": "text/plain"}).text
        )
        envelope = json.dumps(
            big.get(f"/v1/ledger/entries/{seq}").json()["envelope"], separators=(",", ":"), sort_keys=True
        )
        merkle.verify_inclusion(
            index=seq,
            size=head.size,
            leaf_hash=merkle.leaf_hash(envelope.encode()),
            proof=proof.hashes,
            root=head.root,
        )


def test_entry_and_its_proof_come_in_one_answer(big: Service) -> None:
    for seq in (0, 99, ENTRIES - 1):
        answer = big.get(f"/v1/ledger/entries/{seq}/proven")
        found = answer.json()
        assert found.pop("inclusion") == big.get(f"/v1/ledger/proofs/inclusion?seq={seq}").json()
        assert found == big.get(f"/v1/ledger/entries/{seq}").json()
        assert "immutable" not in answer.headers["cache-control"]  # its checkpoint may get cosignatures
        assert big.get(answer.url.path, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    older = big.get("/v1/ledger/entries/50/proven?size=100")
    assert older.json()["inclusion"] == big.get("/v1/ledger/proofs/inclusion?seq=50&size=100").json()
    assert "immutable" in older.headers["cache-control"]
    for path in (f"{ENTRIES}/proven", "100/proven?size=100", "50/proven?size=101"):
        refused = big.get(f"/v1/ledger/entries/{path}")
        assert (refused.status_code, refused.json()["code"]) == (404, "entry-unknown"), path


def test_entry_that_the_tree_was_not_grown_from_is_not_said_to_be_proven(removal: RecordedRemoval) -> None:
    with open_service(removal) as service:
        pages = service.context.record.pages
        seen = pages._document(1)
        pages._document = lambda _: seen._replace(leaf_hash=bytes(32))  # type: ignore[method-assign]
        refused = service.get("/v1/ledger/entries/1/proven")
        assert (refused.status_code, refused.json()["code"]) == (500, "ledger-rolled-back")


def test_proof_is_given_for_an_older_checkpoint_and_refused_for_none(big: Service) -> None:
    older = big.get("/v1/ledger/proofs/inclusion?seq=50&size=100")
    assert older.json()["size"] == 100
    assert "immutable" in older.headers["cache-control"]
    assert big.get("/v1/ledger/checkpoint?size=100").text.startswith("example.org/ireu\n100\n")
    for query in (
        "seq=50&size=101",
        "seq=100&size=100",
        f"seq={ENTRIES}",
        f"seq=0&size={ENTRIES + 5}",
        "seq=9007199254740991",
    ):
        answer = big.get(f"/v1/ledger/proofs/inclusion?{query}")
        assert (answer.status_code, answer.json()["code"]) == (404, "entry-unknown"), query
    found = big.get("/v1/ledger/proofs/consistency?from=100").json()
    merkle.verify_consistency(
        size1=100,
        size2=ENTRIES,
        proof=[bytes.fromhex(each) for each in found["hashes"]],
        root1=bytes.fromhex(found["from_root"]),
        root2=checkpoint_of(big).root,
    )
    assert big.get(f"/v1/ledger/proofs/consistency?from=1&to={ENTRIES + 1}").status_code == 404
    assert big.get("/v1/ledger/proofs/consistency?from=9&to=3").status_code == 422


def test_what_is_not_published_is_not_shown(big: Service) -> None:
    assert big.get("/v1/ledger").json()["size"] == ENTRIES
    answer = big.get(f"/v1/ledger/entries/{ENTRIES}")
    assert (answer.status_code, answer.json()["code"]) == (404, "entry-unknown")
    newest = big.get("/v1/ledger/entries?order=newest&limit=1").json()["entries"]
    assert [each["seq"] for each in newest] == [ENTRIES - 1]
    case = f"{ENTRIES + 1:032x}"
    assert big.get(f"/v1/ledger/entries?case={case}").json()["entries"] == []
    assert big.get(f"/v1/ledger/search?q={case}").json()["hits"] == []
    assert big.get(f"/v1/ledger/search?q={ENTRIES}").json()["hits"] == []


@pytest.mark.parametrize("order", ["oldest", "newest"])
@pytest.mark.parametrize("kind", [None, "removal-request"])
def test_pages_lead_to_the_end_without_gap_or_repetition(big: Service, order: str, kind: str | None) -> None:
    seen: list[int] = []
    path: str | None = f"/v1/ledger/entries?limit=47&order={order}" + (f"&kind={kind}" if kind else "")
    while path is not None:
        answer = big.get(path)
        page = answer.json()
        assert page["searched"] == page["size"] == ENTRIES
        seen += [each["seq"] for each in page["entries"]]
        path = links(answer)
        assert (path is None) == (page["next"] is None)
    expected = [seq for seq in range(ENTRIES) if kind is None or seq not in (1, 2, LARGE_SEQ)]
    assert seen == (expected if order == "oldest" else expected[::-1])


def test_entries_are_found_by_what_they_name(big: Service) -> None:
    def found(query: str) -> list[int]:
        return [each["seq"] for each in big.get(f"/v1/ledger/entries?{query}").json()["entries"]]

    assert found(f"case={7:032x}") == [7]
    assert found(f"case={1007:032x}&kind=verification") == [LARGE_SEQ]
    assert found(f"case={7:032x}&kind=removal") == []
    assert found(f"digest={builders.AFTER.digest}") == [1, 2, LARGE_SEQ]
    assert found(f"digest={builders.AFTER.digest}&kind=removal") == [1]
    assert found(f"digest={builders.AFTER.digest}&order=newest&limit=2") == [LARGE_SEQ, 2]
    assert found("run=" + "f" * 32) == [1]
    assert found("run=" + "f" * 32 + f"&digest={builders.BEFORE.digest}") == [1]
    assert found("run=unknown") == found("kind=no-such") == []


def test_entry_is_immutable_and_not_sent_twice(service: Service) -> None:
    answer = service.get("/v1/ledger/entries/1")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    again = service.get("/v1/ledger/entries/1", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = service.get("/v1/ledger/entries/2", headers={"If-None-Match": answer.headers["etag"]})
    assert other.status_code == 200
    for path in ("/checkpoint", "/v1/ledger", "/v1/ledger/entries", "/tile/0/000.p/3", "/v1/ledger/keys"):
        etag = service.get(path).headers["etag"]
        assert service.get(path, headers={"If-None-Match": etag}).status_code == 304, path


@pytest.mark.parametrize(
    "path",
    [
        "/v1/ledger/entries/-1",
        "/v1/ledger/entries/1e3",
        "/v1/ledger/entries/99999999999999999999",
        "/v1/ledger/entries?limit=0",
        "/v1/ledger/entries?limit=501",
        "/v1/ledger/entries?after=-2",
        "/v1/ledger/entries?order=random",
        "/v1/ledger/entries?case=ABCDEF",
        "/v1/ledger/entries?digest=' OR 1=1",
        "/v1/ledger/entries?run=%00",
        "/v1/ledger/proofs/inclusion",
        "/v1/ledger/proofs/inclusion?seq=-1",
        "/v1/ledger/proofs/consistency?from=0",
        "/v1/ledger/search",
        "/v1/ledger/search?q=" + "a" * 201,
        "/v1/ledger/keys/0",
        "/v1/ledger/checkpoint?size=-3",
    ],
)
def test_hostile_parameters_are_refused_as_problems(service: Service, path: str) -> None:
    answer = service.get(path)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/000",  # not full
        "tile/0/000.p/0",
        "tile/0/000.p/4",
        "tile/0/000.p/256",
        "tile/0/000.p/03",
        "tile/0/001.p/1",
        "tile/0/x000/000.p/3",
        "tile/00/000.p/3",
        "tile/64/000.p/1",
        "tile/1/000.p/1",
        "tile/-1/000",
        "tile/entries/000",
        "tile/entries/000.p/4",
        "tile/entries/../../ireu.toml",
        "tile/entries/%2e%2e/%2e%2e/ireu.toml",
        "tile/0/x999/x999/x999/x999/x999/999",
        "large/000",
        "large/999",
        "large/x000/000",
        "stamps/3/checkpoint",
        "stamps/9/checkpoint",
        "stamps/3/../keys",
        "history/keys.v2.json",
        "history/keys.v999999999.json",
    ],
)
def test_paths_that_no_log_of_this_size_has_are_absent(service: Service, path: str) -> None:
    answer = service.get(f"/{path}")
    assert answer.status_code == 404, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_files_are_byte_for_byte_what_an_export_writes(big: Service, ireu: Ireu, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    assert ireu("--workspace", big.workspace.root, "ledger", "export", folder).code == 0
    compared = 0
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        name = path.relative_to(folder).as_posix()
        if name in ("README.txt", "manifest.json", "status.json"):
            continue  # for those who get a folder; a status list is signed anew each time
        answer = big.get(f"/{name}")
        assert answer.content == path.read_bytes(), name
        full = ".p/" not in name and name.startswith(("tile/", "large/"))
        assert ("immutable" in answer.headers["cache-control"]) == full, name
        compared += 1
    assert compared == 8  # checkpoint, keys.json, two tiles and two bundles, one above, one large entry
    assert (folder / "large" / f"{LARGE_SEQ}").stat().st_size > MAX_BUNDLED_ENTRY
    assert big.get("/status.json").json()["_type"] == "urn:ireu:status-list:v1"


def test_monitor_follows_the_running_service(big: Service, tmp_path: Path) -> None:
    def look() -> Any:
        with WebClient("http://service.test", transport=_Bridge(big)) as client:
            source = StaticSource(web_fetcher(client), where="here")
            return follow(source, tmp_path / "state.json", key_file=big.workspace.key_file())

    first = look()
    assert (first.verdict, first.size, first.alarms) == (Verdict.HOLDS, ENTRIES, ())
    second = look()
    assert (second.verdict, second.previous_size, second.entries) == (Verdict.HOLDS, ENTRIES, {})


def test_monitor_follows_growth_and_takes_alarm_at_tampering(removal: RecordedRemoval, tmp_path: Path) -> None:
    import sqlite3

    with open_service(removal) as service:

        def look() -> Any:
            with WebClient("http://service.test", transport=_Bridge(service)) as client:
                return follow(StaticSource(web_fetcher(client), where="here"), tmp_path / "state.json")

        assert look().size == 3
        grow(removal.workspace, 20)
        assert look().entries == {"removal-request": 17}
        grow(removal.workspace, 21)
        with sqlite3.connect(removal.workspace.ledger_path) as database:
            database.execute("DROP TRIGGER entries_no_update")
            database.execute(
                "UPDATE entries SET envelope = ? WHERE seq = 20", (b'{"payload":"","payloadType":"","signatures":[]}',)
            )
        assert look().verdict is Verdict.DOES_NOT_HOLD
        # What was signed otherwise is not shown as if it held.
        answer = service.get("/v1/ledger/entries/20")
        assert (answer.status_code, answer.json()["code"]) == (500, "ledger-rolled-back")
        assert "20" not in answer.json()["detail"]


class _Bridge(httpx2.BaseTransport):
    """Carries the requests of a monitor to the application."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = self._service.get(request.url.path)
        return httpx2.Response(
            answer.status_code, headers={"content-type": answer.headers["content-type"]}, content=answer.content
        )


def test_service_shows_what_is_published_while_it_runs(removal: RecordedRemoval) -> None:
    with open_service(removal) as service:
        assert service.get("/v1/ledger").json()["size"] == 3
        grow(removal.workspace, 10)
        assert service.get("/v1/ledger").json()["size"] == 10
        assert service.get("/v1/ledger/proofs/inclusion?seq=9").status_code == 200
        assert len(service.get("/v1/ledger/entries?kind=removal-request").json()["entries"]) == 8


def test_another_ledger_in_its_place_is_found_anew(removal: RecordedRemoval, tmp_path: Path) -> None:
    root = removal.workspace.root
    grow(removal.workspace, 40)
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    grow(removal.workspace, 80)
    grow(Workspace(copy), 80, first_case=5000)
    with open_service(removal) as service:
        before = service.get("/v1/ledger").json()["root"]
        assert len(service.get("/v1/ledger/entries?kind=removal-request&limit=500").json()["entries"]) == 78
        former = service.get("/v1/ledger/entries/79/proven").json()
        service.context.engine.dispose()
        for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm", "checkpoint"):
            (root / name).unlink(missing_ok=True)
            if (copy / name).exists():
                shutil.copy(copy / name, root / name)
        assert service.get("/v1/ledger").json()["root"] != before
        assert len(service.get("/v1/ledger/entries?kind=removal-request&limit=500").json()["entries"]) == 78
        for seq in (0, 39, 40, 79):
            assert service.get(f"/v1/ledger/proofs/inclusion?seq={seq}").status_code == 200
        found = service.get("/v1/ledger/entries/79/proven").json()
        assert found["leaf_hash"] == found["inclusion"]["leaf_hash"] != former["leaf_hash"]


def test_many_readers_at_once_are_answered_alike(big: Service) -> None:
    expected = big.get("/v1/ledger/entries/42").content
    failures: list[object] = []

    def read(number: int) -> None:
        try:
            for seq in (42, number, number + 100):
                assert big.get(f"/v1/ledger/entries/{seq}").status_code == 200
                assert big.get(f"/v1/ledger/proofs/inclusion?seq={seq}").status_code == 200
                assert big.get(f"/tile/entries/001.p/{ENTRIES - 256}").status_code == 200
                assert big.get(f"/v1/ledger/entries?kind=verification&after={number}").status_code == 200
            assert big.get("/v1/ledger/entries/42").content == expected
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failures == []


def test_keys_and_their_history(service: Service) -> None:
    path = service.workspace.key_file_path
    assert service.get("/keys.json").content == service.get("/v1/ledger/keys/1").content == path.read_bytes()
    assert service.get("/history/keys.v1.json").content == path.read_bytes()
    found = service.get("/v1/ledger/keys").json()
    assert found["digest"] == service.workspace.key_file().digest
    assert [each["version"] for each in found["versions"]] == [1]


def test_status_list_is_signed_and_not_signed_again_for_everybody(service: Service) -> None:
    first = service.get("/v1/ledger/status-list")
    from ireu_governance.core.status import StatusList

    listed = StatusList.from_bytes(first.content)
    assert listed.verify(service.workspace.key_file()).size == 3
    assert service.get("/status.json").content == first.content


def test_stamps_are_listed_and_fetched(service: Service) -> None:
    with service.workspace.open_ledger() as ledger:
        ledger.add_stamp(3, "https://tsa.example", b"token")
    page = service.get("/v1/ledger/stamps").json()["stamps"]
    assert [(each["size"], each["authority"]) for each in page] == [(3, "https://tsa.example")]
    assert service.get(f"/{page[0]['path']}").content == b"token"
    note = SignedNote.from_text(service.get("/stamps/3/checkpoint").text)
    assert service.get("/stamps/3/checkpoint-text").text == note.text
    assert service.get("/v1/ledger/stamps?after=3").json()["stamps"] == []


@pytest.mark.parametrize(
    ("query", "taken", "ids"),
    [
        ("7", ["entry"], {"7"}),
        ("#7", ["entry"], {"7"}),
        ("entry 7", ["entry"], {"7"}),
        (f"{7:032x}", ["case", "certificate", "run", "digest", "key"], {f"{7:032x}"}),
        (f"  {1007:032X} ", ["case", "certificate", "run", "digest", "key"], {f"{1007:032x}"}),
        ("ffffffff", ["case", "certificate", "run", "digest", "key"], {"f" * 32}),
        (f"sha256:{builders.AFTER.digest}", ["digest", "key"], {builders.AFTER.digest}),
        (builders.AFTER.digest[:12], ["case", "certificate", "run", "digest", "key"], {builders.AFTER.digest}),
        ("removal", ["kind"], {"removal"}),
        ("no such thing", [], set()),
        ("abc", ["run", "model"], set()),
        ("%_'\"", [], set()),
    ],
)
def test_search_says_what_it_took_it_for(big: Service, query: str, taken: list[str], ids: set[str]) -> None:
    found = big.get("/v1/ledger/search", params={"q": query}).json()
    assert found["taken_for"] == taken
    assert {each["id"] for each in found["hits"]} == ids
    assert bool(found["searchable"]) == (not ids)


def test_search_finds_keys_and_leaf_hashes(big: Service) -> None:
    key_id = big.workspace.key_file().keys(Role.RECORD)[0].key_id
    assert [each["what"] for each in big.get(f"/v1/ledger/search?q={key_id}").json()["hits"]] == ["key"]
    leaf = big.get("/v1/ledger/entries/77").json()["leaf_hash"]
    for query in (leaf, leaf[:20]):
        hits = big.get(f"/v1/ledger/search?q={query}").json()["hits"]
        assert [(each["what"], each["id"]) for each in hits] == [("digest", leaf)]
        assert [each["seq"] for each in hits[0]["entries"]] == [77]


def test_search_of_a_common_beginning_is_cut_short_and_says_so(big: Service) -> None:
    found = big.get("/v1/ledger/search?q=000000").json()
    assert found["more"]
    assert len(found["hits"]) <= 120


def test_look_up_is_built_in_the_background_and_says_how_far_it_is(
    removal: RecordedRemoval, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ireu_governance.service import entry_index

    grow(removal.workspace, 30)
    monkeypatch.setattr(entry_index, "_BATCH", 4)
    app = create_app(removal.workspace, settings=ServiceSettings(**GENEROUS))  # not started: that builds as well
    index = app.state.context.record.index
    try:
        assert index.catch_up(seconds=-1.0) == 4
        index.close()  # waits for the thread
        index._closed = False
        assert index.catch_up(seconds=None) == 30
        assert TestClient(app).get("/v1/ledger/entries?kind=removal").json()["searched"] == 30
    finally:
        app.state.context.close()


def test_two_processes_build_one_look_up(removal: RecordedRemoval) -> None:
    grow(removal.workspace, 30)
    with open_service(removal) as one, open_service(removal) as other:
        indexes = [one.context.record.index, other.context.record.index]
        threads = [threading.Thread(target=each.catch_up, kwargs={"seconds": None}) for each in indexes]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        for service in (one, other):
            assert len(service.get("/v1/ledger/entries?kind=removal-request&limit=500").json()["entries"]) == 28
