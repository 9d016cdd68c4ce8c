"""What is not published stays in the house, in whatever order cases, keys, jobs and alerts come and go.

The log is public, so that whatever stands in a published entry may be told to anybody. All else that has a number
(certificates, jobs, deployments, alerts, receivers, keys, sessions, and cases of which nothing was published yet) may
not be in an answer to somebody without a key, and a case or a certificate that may not be seen is answered exactly as
one that never was.
"""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import builders
from fixtures.records import RecordedRemoval, record_removal
from fixtures.retests import FOLDER, FakeTester, MemoryQueue
from fixtures.service import Service, open_service
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from routes import MATRIX

from ireu_governance.core.keys import Role as KeyRole
from ireu_governance.core.statement import Draft
from ireu_governance.jobs.leases import FileLeases
from ireu_governance.jobs.orders import KIND
from ireu_governance.jobs.verification import verification_handler
from ireu_governance.ledger.requests import Requests
from ireu_governance.service.access import Role, scopes_of
from ireu_governance.service.alerts import AlertCause, Alerts
from ireu_governance.workspace import Workspace

CALLERS = st.sampled_from((None, "viewer", "tester", "officer", "admin"))
WRITERS = st.sampled_from(("officer", "admin", "officer", "viewer", None))
PICK = st.integers(0, 2**16)
KEYS = st.sampled_from((None, "one", "two"))
BROWSER = {"accept": "text/html,*/*;q=0.8"}
OWN = {"origin": "http://service.test", "sec-fetch-site": "same-origin"}

# What nobody without a key may ask for, and what anybody may: some of it after each step, the others in turn.
CLOSED = tuple(row for row in MATRIX if row.scope is not None)
ALWAYS = ("/index.json", "/v1/ledger/entries?order=newest&limit=2")
OPEN = (
    "/", "/cases", "/v1/cases?limit=1", "/explore", "/v1/ledger", "/cases.json", "/status.json", "/explore.json",
    "/check", "/v1/access/me", "/checkpoint", "/v1/ledger/entries", "/v1/ledger/status-list", "/sign-in", "/readyz",
    "/openapi.json",
)  # fmt: skip
PAGES = ("/", "/cases", "/explore", "/sign-in", "/check")
OF_CASE = ("/v1/cases/{id}", "/v1/cases/{id}/pack", "/cases/{id}", "/cases/{id}.json")
OF_CERTIFICATE = (
    "/v1/certificates/{id}", "/v1/certificates/{id}.json", "/v1/certificates/{id}.html", "/v1/certificates/{id}.pdf",
    "/v1/certificates/{id}/pack", "/certificates/{id}", "/certificates/{id}.json", "/certificates/{id}.certificate.json",
    "/certificates/{id}.html", "/certificates/{id}.pdf",
)  # fmt: skip
CHANGING = re.compile(r"x-request-id|ratelimit|content-length|date")


@cache
def template() -> RecordedRemoval:
    return record_removal(Path(tempfile.mkdtemp(prefix="secrecy-")) / "workspace")


_DECLARED: list[tuple[re.Pattern[str], dict[int, set[str]]]] = []


def declared(service: Service) -> list[tuple[re.Pattern[str], dict[int, set[str]]]]:
    """Return by method and path which types of content the API says that it answers with each status."""
    if not _DECLARED:
        for path, operations in service.app.openapi()["paths"].items():
            pattern = re.sub(r"\{[^}]+\}", "[^/]+", path)
            for method, operation in operations.items():
                kinds = {int(each): set(said.get("content", ())) for each, said in operation["responses"].items()}
                _DECLARED.append((re.compile(f"{method.upper()} {pattern}"), kinds))
    return _DECLARED


class House(RuleBasedStateMachine):
    """A service, its people, and somebody outside who knows all numbers and has no key."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory())) / "workspace"
        made = template()
        shutil.copytree(made.workspace.root, folder)
        (folder / "fake.json").write_text("{}")
        self.workspace = Workspace(folder)
        self.queue = MemoryQueue()
        recorded = RecordedRemoval(self.workspace, made.case_id, folder / made.certificate.name)
        self.service: Service = self.stack.enter_context(open_service(recorded, queue=self.queue))
        self.cases = [made.case_id]
        self.published: set[str] = set()
        self.certificates: dict[str, set[str]] = {}
        self.others: set[str] = set()  # numbers and secrets of all other kinds
        self.etags = ["*"]  # in the order of their discovery: the numbers in them are new in each run
        self.cursors: list[str] = []
        self.told = 0, ""
        self.steps = 0
        self.note_certificates()
        # From the first step on there is a case that was published before anything of it is in the published log.
        self.remove_somebody(is_published=False, with_first=False)
        self.publish_a_case("officer", 0, None)

    def teardown(self) -> None:
        self.stack.close()

    # What happens in the house

    @rule(is_published=st.booleans(), with_first=st.booleans())
    def remove_somebody(self, is_published: bool, with_first: bool) -> None:
        case = secrets.token_hex(16)
        cases = (self.cases[0], case) if with_first else (case,)
        with self.workspace.open_ledger() as ledger:
            start = ledger.head().size
            drafts = []
            for artifact, kind, values in (
                (builders.BEFORE, "removal-request", builders.make_request(cases)),
                (builders.AFTER, "removal", builders.make_removal(start, cases)),
                (builders.AFTER, "verification", builders.make_verification(start + 1, cases)),
            ):
                del values["recorded_at"]
                drafts.append(Draft(subject=artifact.subjects(), kind=kind, fields=values))
            ledger.append(drafts, self.workspace.signer(KeyRole.RECORD))
            if is_published:
                ledger.publish(self.workspace.signer(KeyRole.LOG))
        self.cases.append(case)

    @rule()
    def publish_the_log(self) -> None:
        with self.workspace.open_ledger() as ledger:
            ledger.publish(self.workspace.signer(KeyRole.LOG))

    @rule(is_published=st.booleans())
    def take_a_request(self, is_published: bool) -> None:
        # Published by itself; a case of a request without any removal.
        record, log = self.workspace.signer(KeyRole.RECORD), self.workspace.signer(KeyRole.LOG)
        with self.workspace.open_vault() as vault, self.workspace.open_ledger() as ledger:
            requests = Requests(vault=vault, ledger=ledger, record_signer=record, log_signer=log)
            self.cases.append(requests.add("A letter").case_id)
        if is_published:
            self.ask("officer", "POST", f"/v1/cases/{self.cases[-1]}/publication", "write")
            self.published.add(self.cases[-1])

    @rule(role=WRITERS, which=PICK, key=KEYS)
    def publish_a_case(self, role: str | None, which: int, key: str | None) -> None:
        case = self.cases[-1 - which % len(self.cases)]  # often the newest, of which nothing may be published yet
        answer = self.ask(role, "POST", f"/v1/cases/{case}/publication", "write", key=key)
        if answer.is_success and "idempotency-replayed" not in answer.headers:
            self.published.add(case)

    @rule(role=WRITERS, which=PICK)
    def withdraw_a_case(self, role: str | None, which: int) -> None:
        case = self.cases[which % len(self.cases)]
        if self.ask(role, "DELETE", f"/v1/cases/{case}/publication", "write").is_success:
            self.published.discard(case)

    @rule(role=WRITERS, which=PICK, key=KEYS)
    def issue(self, role: str | None, which: int, key: str | None) -> None:
        wanted = {"case_id": self.cases[which % len(self.cases)], "stamp": False}
        self.ask(role, "POST", "/v1/certificates", "write", json=wanted, key=key)
        self.note_certificates()

    @rule(role=WRITERS, which=PICK)
    def revoke(self, role: str | None, which: int) -> None:
        number = list(self.certificates)[which % len(self.certificates)]
        self.ask(role, "POST", f"/v1/certificates/{number}/revocation", "write", json={"reason": "unspecified"})

    @rule(role=CALLERS, which=PICK, key=KEYS, is_done=st.booleans())
    def test_again(self, role: str | None, which: int, key: str | None, is_done: bool) -> None:
        wanted = {"cases": [self.cases[which % len(self.cases)]], "encoder": FOLDER}
        answer = self.ask(role, "POST", "/v1/verifications", "test", json=wanted, key=key)
        if answer.status_code == 202:
            self.others.add(answer.json()["id"])
        if is_done:
            leases = FileLeases(self.workspace.root / "leases")
            self.queue.work(
                {KIND: verification_handler(self.workspace, lambda: FakeTester(self.workspace), leases=leases)}
            )

    @rule(role=WRITERS)
    def watch(self, role: str | None) -> None:
        wanted = {"name": f"place-{secrets.token_hex(4)}", "encoder": FOLDER}
        if self.ask(role, "POST", "/v1/deployments", "write", json=wanted).is_success:
            self.others.add(wanted["name"])

    @rule(which=PICK)
    def raise_an_alert(self, which: int) -> None:
        cause = AlertCause("request-overdue", case_id=self.cases[which % len(self.cases)])
        with self.service.context.store.writing() as connection:
            Alerts(self.service.context.store).raise_all(connection, [cause])
        self.others.update(each["id"] for each in self.service.get("/v1/alerts", "viewer").json()["alerts"])

    @rule(role=CALLERS)
    def tell_somebody(self, role: str | None) -> None:
        wanted = {"url": f"https://{secrets.token_hex(8)}.example/alerts"}
        answer = self.ask(role, "POST", "/v1/alerts/webhooks", "admin", json=wanted)
        if answer.status_code == 201:
            self.others.update((wanted["url"], answer.json()["secret"], answer.json()["id"]))

    @rule(role=CALLERS, wanted=st.sampled_from(("make", "rotate", "revoke")), of=st.sampled_from(("viewer", "officer")))
    def change_keys(self, role: str | None, wanted: str, of: str) -> None:
        prefix = self.service.key(of).split("_")[1]
        if wanted == "make":
            answer = self.ask(role, "POST", "/v1/access/keys", "admin", json={"role": of})
        elif wanted == "rotate":
            answer = self.ask(role, "POST", f"/v1/access/keys/{prefix}/rotation", "admin", json={"grace_hours": 0})
        else:
            answer = self.ask(role, "DELETE", f"/v1/access/keys/{prefix}", "admin")
        if not answer.is_success:
            return
        old = self.service.key(of)
        self.others.add(old)
        if wanted != "make":
            again = self.service.client.get("/v1/cases", headers={"Authorization": f"Bearer {old}"})
            assert again.status_code == 401, "a key counts no more, and at once"
            self.expect_no_secrets(again, "")
        del self.service._keys[of]
        self.others.add(self.service.key(of))

    @rule(role=st.sampled_from(("viewer", "officer")), is_ended=st.booleans(), which=PICK)
    def visit(self, role: str, is_ended: bool, which: int) -> None:
        """Sign in to the portal, look at a case, and sign out, or have the browser forget."""
        client = self.service.client
        client.cookies.clear()
        entered = client.post("/sign-in", data={"key": self.service.key(role)}, headers=OWN, follow_redirects=False)
        assert entered.status_code == 303
        cookie = client.cookies["ireu_session"]
        page = client.get(f"/cases/{self.cases[which % len(self.cases)]}", headers=BROWSER)
        assert page.status_code < 500
        assert page.headers["cache-control"] == "private, no-store"
        token = re.search(r'name="form_token" value="([^"]+)"', page.text)
        assert token is not None
        self.others.update((cookie, token[1]))
        assert client.get("/v1/requests").status_code == 401, "a session opens nothing of the API"
        client.cookies.clear()
        if is_ended:
            headers = {**OWN, **BROWSER, "cookie": f"ireu_session={cookie}"}
            left = client.post("/sign-out", data={"form_token": token[1]}, headers=headers, follow_redirects=False)
            assert left.status_code == 303
            client.cookies.clear()
            headers = {**BROWSER, "cookie": f"ireu_session={cookie}"}
            late = client.get("/overview", headers=headers, follow_redirects=False)
            assert late.status_code == 303
            assert late.headers["location"].startswith("/sign-in")

    @rule(which=PICK)
    def collect(self, which: int) -> None:
        """Have somebody of the house leave cursors and validators where somebody outside finds them."""
        number = list(self.certificates)[which % len(self.certificates)]
        for path in (f"/v1/certificates/{number}.json", "/v1/certificates?limit=1", "/v1/cases?limit=1",
                     "/v1/requests?limit=1", "/v1/alerts?limit=1", "/v1/deployments?limit=1"):  # fmt: skip
            answer = self.service.get(path, "officer")
            assert answer.status_code == 200, answer.text
            self.etags.extend(value for name, value in answer.headers.items() if name == "etag")
            self.cursors.extend(re.findall(r"after=([^>&]+)", answer.headers.get("link", "")))

    # What somebody outside sees

    @rule(which=PICK, etag=PICK)
    def ask_for_what_is_hidden(self, which: int, etag: int) -> None:
        hidden = [(OF_CASE, each) for each in self.cases if each not in self.shown_cases()]
        hidden += [(OF_CERTIFICATE, each) for each in self.certificates if not self.is_shown(each)]
        if not hidden:
            return
        paths, number = hidden[-1 - which % len(hidden)]
        known = {"if-none-match": self.etags[etag % len(self.etags)]}
        never = secrets.token_hex(16)
        for path in paths:
            for headers in ({}, known, BROWSER):
                seen = [self.look(path.format(id=each), each, headers) for each in (number, never)]
                assert seen[0] == seen[1], path
                assert seen[0][0] == 404

    @rule(cursor=PICK, which=PICK)
    @precondition(lambda self: self.cursors)
    def use_what_was_found(self, cursor: int, which: int) -> None:
        found = self.cursors[cursor % len(self.cursors)]
        for path in ("/v1/cases", "/v1/certificates", "/v1/requests", "/v1/alerts", "/v1/deployments"):
            answer = self.service.get(f"{path}?after={found}")
            assert answer.status_code == (401 if path != "/v1/cases" else answer.status_code)
            assert answer.status_code in (200, 401, 422)
            self.expect_no_secrets(answer, "")
        case = self.cases[which % len(self.cases)]
        for number in (*self.certificates, case):
            for asked in (f"/v1/ledger/search?q={number[:8]}", f"/explore.json?q={number[:8]}"):
                self.expect_no_secrets(self.service.get(asked), number[:8])

    @rule(which=PICK)
    def try_the_doors(self, which: int) -> None:
        """Whoever may not is told so before it is looked at what they ask for."""
        row = CLOSED[which % len(CLOSED)]
        path = row.path or row.template
        for number in (*self.certificates, *self.cases[:2]):
            there = path.format(case=number, key=self.service.key("viewer").split("_")[1], none=number)
            for role in (None, "viewer"):
                if role is not None and row.scope in scopes_of(Role(role)):
                    continue
                answer = self.service.request(row.method, there, role, json=row.json)
                assert answer.status_code == (401 if role is None else 403)
                self.expect_no_secrets(answer, there, "" if role is None else self.service.key(role))

    @invariant()
    def nothing_is_told_outside(self) -> None:
        self.steps += 1
        for path in (*ALWAYS, OPEN[self.steps % len(OPEN)]):
            answer = self.service.get(path, headers=BROWSER if path in PAGES else {})
            assert answer.status_code == 200, (path, answer.text)
            self.expect_no_secrets(answer, path)
        listed = self.service.get("/v1/cases").json()["cases"]
        assert {each["case_id"] for each in listed} == self.shown_cases()
        assert set(self.service.get("/index.json").json()["published_cases"]) <= self.shown_cases()

    # How it is known

    def ask(self, role: str | None, method: str, path: str, scope: str, *, key: str | None = None, **more: Any) -> Any:
        """Ask as somebody of a role, and check that the answer is one that this route declares for them."""
        headers = {} if key is None else {"Idempotency-Key": f"{key}-{path[-40:]}"[:60]}
        answer = self.service.request(method, path, role, headers=headers, **more)
        if role is None:
            assert answer.status_code == 401
        elif scope not in scopes_of(Role(role)):
            assert answer.status_code == 403
        else:
            assert answer.status_code not in (401, 403)
        assert answer.status_code < 500, answer.text
        self.expect_declared(method, path, answer)
        if role is None:
            self.expect_no_secrets(answer, path)
        return answer

    def expect_declared(self, method: str, path: str, answer: Any) -> None:
        types = {content for pattern, kinds in declared(self.service) if pattern.fullmatch(f"{method} {path}")
                 for content in kinds.get(answer.status_code, ())}  # fmt: skip
        assert answer.headers["content-type"].partition(";")[0] in types, (method, path, answer.status_code)

    def expect_no_secrets(self, answer: Any, asked: str, *known: str) -> None:
        assert answer.status_code < 500, answer.text
        text = f"{answer.headers}\n{answer.text}"
        told = [each for each in self.hidden() if each in text and each not in asked and each not in known]
        assert not told, (asked, answer.status_code, told)

    def look(self, path: str, number: str, headers: dict[str, str]) -> tuple[int, dict[str, str], str]:
        answer = self.service.get(path, headers=headers)
        self.expect_no_secrets(answer, path)
        rest = {name: value for name, value in answer.headers.items() if not CHANGING.match(name)}
        text = re.sub(
            r"<footer.*</footer>", "", answer.text, flags=re.S
        )  # the head of the log, which is kept for seconds
        return answer.status_code, rest, text.replace(number, "N").replace(number[:8], "N")

    def note_certificates(self) -> None:
        desk = self.service.context.record.certificates
        self.certificates.update({each.id: set(each.case_ids) for each in desk.stored()})

    def public_text(self) -> str:
        """Everything that the published log says, which anybody may read there."""
        log = self.service.context.record.log
        head = log.head()
        if head.size != self.told[0]:
            text = "\n".join(log.statement(entry).model_dump_json() for entry in log.entries(0, head.size))
            self.told = head.size, text
        return self.told[1]

    def shown_cases(self) -> set[str]:
        text = self.public_text()
        return {each for each in self.published if each in text}

    def is_shown(self, certificate: str) -> bool:
        return self.certificates[certificate] <= self.published

    def hidden(self) -> set[str]:
        text = self.public_text()
        hidden = {*self.cases, *self.others, *(each for each in self.certificates if not self.is_shown(each))}
        return {each for each in hidden if each not in text}


TestHouse = House.TestCase
TestHouse.settings = settings(
    max_examples=5,
    stateful_step_count=18,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
