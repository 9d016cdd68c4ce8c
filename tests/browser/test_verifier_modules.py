"""The portal verifies certificates in the browser, by modules of its own: they must say what Python says, of thousands
of certificates. Here they run under node; `test_check.py` runs some of the same vectors in Chromium.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import pytest
from builders import MemoryLog, Removal, make_certificate, make_key, make_keys
from fixtures.certificate_vectors import Vector, VectorSet, damaged, misbehaving, sealed_anew
from fixtures.extended import KEYS, ExtendedRemoval, change_record_key, make_status, policy_of
from fixtures.resigned_certificates import odd_spellings, odd_statements
from fixtures.timestamping import LocalAuthority, moment
from pydantic import BaseModel

from ireu_governance.core.certificate import CertificateReport, verify_certificate
from ireu_governance.core.certificate_document import stamp_certificate
from ireu_governance.core.certificate_wording import wording
from ireu_governance.core.checkpoint import SignedNote
from ireu_governance.core.decision import clopper_pearson
from ireu_governance.core.errors import InputError
from ireu_governance.core.key_change import KeyFileChange
from ireu_governance.core.keys import KeyFile, Role, vkey
from ireu_governance.core.mldsa import HybridSigner, MlDsaPrivateKey
from ireu_governance.core.statement import Predicate
from ireu_governance.core.status import StatusEntry
from ireu_governance.core.verifier_key import KeyKind, VerifierKey
from ireu_governance.portal.assets import STATIC
from ireu_governance.reports.document import take_out
from ireu_governance.reports.html import render_html
from ireu_governance.reports.pdf import render_pdf

HERE = Path(__file__).parent
COMPAT = HERE.parent / "compat"
MODULES = STATIC / "js" / "verify"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")

OWN_WORDS = re.compile(
    "malformed at|no valid JSON|not UTF-8 text|is not base64|of a format that|is of format|of a kind that|discriminator"
    "|statement is malformed|are malformed|not in canonical form"
)
"""Reasons that name what a library found, which the modules tell in their own words."""


def run_node(script: str, data: object = None) -> Any:
    assert NODE is not None
    made = subprocess.run(
        [NODE, "--no-warnings", "--input-type=module", "-e", script],
        input=json.dumps(data),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert made.returncode == 0, made.stderr[-3000:]
    return json.loads(made.stdout)


def answer(vectors: VectorSet) -> list[dict[str, Any]]:
    script = f"""
        import {{ readFileSync }} from "node:fs";
        import {{ answerAll }} from {json.dumps((HERE / "vectors.mjs").as_uri())};
        const answers = await answerAll(JSON.parse(readFileSync(0, "utf8")), {json.dumps(MODULES.as_uri())});
        process.stdout.write(JSON.stringify(answers));
    """
    answers: list[dict[str, Any]] = run_node(script, vectors.to_object())
    return answers


def compare(vectors: VectorSet) -> Counter[str]:
    """Compare every check of every vector, and return how many had which verdict."""
    answers = answer(vectors)
    assert len(answers) == len(vectors.vectors)
    found: Counter[str] = Counter()
    for vector, expected, given in zip(vectors.vectors, vectors.expected, answers, strict=True):
        name = vector["name"]
        if "error" in expected:
            assert given == expected, name
            found[expected["error"]] += 1
            continue
        assert given.get("verdict") == expected["verdict"], (name, given)
        assert given["status"] == expected["status"], name
        for mine, theirs in zip(expected["checks"], given["checks"], strict=True):
            if OWN_WORDS.search(mine["reason"]):
                mine, theirs = ({**each, "reason": "", "hint": ""} for each in (mine, theirs))
            assert theirs == mine, name
        found[expected["verdict"]] += 1
    return found


def make_set(*vectors: Vector) -> VectorSet:
    made = VectorSet()
    for each in vectors:
        made.add(each)
    return made


def test_damaged_certificates_are_refused_as_python_refuses_them() -> None:
    data, keys = make_certificate()
    vectors = [Vector("genuine", data, keys.to_bytes())]
    vectors += [Vector(name, each, keys.to_bytes()) for name, each in damaged(data, every=4)][::2]
    vectors += [Vector("something else", b'{"hello":"world"}', keys.to_bytes())]
    vectors += [Vector("newer", data.replace(b"certificate:v1", b"certificate:v2"), keys.to_bytes())]
    found = compare(make_set(*vectors))
    assert found["holds"] == 1
    assert found["does-not-hold"] > 800
    assert set(found) == {"holds", "does-not-hold", "input-not-a-certificate", "input-too-new"}


def test_certificates_of_a_thief_of_the_record_key_are_refused_as_python_refuses_them() -> None:
    data, keys = make_certificate()
    found = compare(make_set(*(Vector(name, each, keys.to_bytes()) for name, each in sealed_anew(data))))
    assert found["does-not-hold"] > 200


def test_certificates_of_an_organisation_that_misbehaves_are_judged_as_python_judges_them() -> None:
    keys = make_keys().key_file.to_bytes()
    found = compare(make_set(*(Vector(name, data, keys) for name, data in misbehaving())))
    assert found["does-not-hold"] > 40
    assert found["holds"] > 8
    assert found["undecided"] >= 2


def test_certificates_with_everything_are_judged_as_python_judges_them(tmp_path: Path) -> None:
    made = ExtendedRemoval(ago=100)
    data = made.stamped(LocalAuthority.make(tmp_path / "tsa"), count=2)
    keys, number = KEYS.key_file.to_bytes(), "c" * 32

    def entry(**changes: Any) -> StatusEntry:
        values = {"id": number, "status": "revoked", "since": moment(-80), "reason": "resurfaced", "replaced_by": None}
        return StatusEntry(**{**values, "seq": 0, **changes})

    superseded = entry(status="superseded", replaced_by="d" * 32, reason="reissued", seq=1)
    lists = {
        "fresh": make_status(made.log, age=60),
        "of the future": make_status(made.log, age=-3),
        "older than the certificate": make_status(made.log, age=3600),
        "ended": make_status(made.log, age=60, days=0.0001),
        "of another log": make_status(MemoryLog(keys=make_keys("x", origin="other.example"), origin="other.example")),
        "signed by a stranger": make_status(made.log, signer=make_key("stranger")),
        "revoked": make_status(made.log, entry()),
        "revoked later": make_status(made.log, entry(since=moment(3600))),
        "never right": make_status(made.log, entry(since=moment(3600), reason="issued-in-error")),
        "superseded": make_status(made.log, superseded),
        "both": make_status(made.log, entry(status="superseded", replaced_by="d" * 32), entry(seq=2)),
        "of others": make_status(made.log, entry(id="9" * 32)),
    }
    vectors = [Vector("alone", data, keys)]
    for name, status in lists.items():
        for at in (None, moment(0), moment(-99_999), moment(2 * 365 * 86_400)):
            vectors.append(Vector(f"list {name} at {at}", data, keys, status=status.to_bytes(), at=at))
    made.log.fill(3)
    later, _ = change_record_key(KEYS, from_size=made.log.size + 1)
    now, record = change_record_key(KEYS, from_size=made.log.size)
    for name, status, newer in (
        ("the old key", make_status(made.log), later),
        ("the new key", make_status(made.log, signer=record), now),
    ):
        vectors.append(Vector(f"list of {name}", data, newer.to_bytes(), status=status.to_bytes(), at=moment(0)))
    for name, policy in policies(made).items():
        vectors.append(Vector(f"policy {name}", data, keys, policy=policy.encode(), at=moment(0)))
    for at in (moment(-200), moment(-450), moment(365 * 86_400 + 100)):
        vectors.append(Vector(f"at {at}", data, keys, at=at))
    vectors += [Vector(name, each, keys, at=moment(0)) for name, each in damaged(data, every=30)][::5]
    found = compare(make_set(*vectors))
    assert min(found["holds"], found["undecided"]) >= 5


def policies(made: ExtendedRemoval) -> dict[str, str]:
    one = policy_of().to_text()
    log = f"log {_vkey(KEYS)}\n"
    other = f"log {_vkey(make_keys('x'))}\n"
    stranger = policy_of("stranger").to_text()
    key = one.split()[2]
    return {
        "met": one,
        "of the log too": log + one,
        "of another log": other + one,
        "of a stranger": stranger,
        "none": one.replace("quorum w1", "quorum none"),
        "nobody": "quorum none\n",
        "group": one.replace("quorum w1", "group g any w1\ngroup h 1 g\nquorum h"),
        "comments": "# mine\n\n" + one.replace(" ", "\t", 1).replace(key, f"{key} https://w.example/"),
    }


def _vkey(keys: Any) -> str:
    return vkey(keys.key_file.origin, keys.log.public_key)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((("received", {}), ("accepted", {})), (("done", {"removal_seq": 0}),)),
        ((("received", {}),), (("done", {}), ("received", {}))),
        ((("accepted", {}),), ()),
        ((("received", {"happened_at": "2030-01-01T00:00:00Z"}),), ()),
        ((("received", {}), ("extended", {"happened_at": "2020-02-02T00:00:00Z"})), ()),
        ((("received", {}), ("refused", {}), ("informed", {"recipients": 0})), ()),
        ((("received", {"case_id": "f" * 32}),), ()),
    ],
)
def test_histories_are_judged_as_python_judges_them(before: Any, after: Any) -> None:
    made = ExtendedRemoval(ago=100, before=before, after=after)
    keys = KEYS.key_file.to_bytes()
    turned = [made.log.logged(seq).to_object() for seq in made.steps[::-1]]
    vectors = [
        Vector("history", made.sealed(), keys, at=moment(0)),
        Vector("turned round", made.sealed(history=turned), keys),
        Vector("told twice", made.sealed(history=[*turned, *turned]), keys),
    ]
    compare(make_set(*vectors))


@pytest.mark.slow
def test_statements_of_any_content_are_judged_as_python_judges_them() -> None:
    keys = make_keys().key_file.to_bytes()
    spelt = compare(make_set(*(Vector(name, data, keys) for name, data in odd_spellings())))
    assert spelt["holds"] > 8
    found = compare(make_set(*(Vector(name, data, keys) for name, data in odd_statements(every=17))))
    assert found["does-not-hold"] > 200
    assert found["holds"] > 30


def test_policies_of_any_bytes_are_read_as_python_reads_them() -> None:
    data, keys = ExtendedRemoval(ago=100).sealed(), KEYS.key_file.to_bytes()
    key = policy_of().to_text().split()[2].encode()
    other = VerifierKey("witness.example/w2", KeyKind.COSIGNATURE, make_key("other").public_key).to_text().encode()

    def policy(name: bytes, quorum: bytes | None = None, key: bytes = key) -> bytes:
        return b"# Z\xfcrich\nwitness %b %b\nquorum %b\n" % (name, key, name if quorum is None else quorum)

    foreign = b"\xf0\x9f\x98\x80\xffz\xc3\xa4'\\\""
    policies = {
        "plain name": policy(b"w1"),
        "odd name": policy(b"w\xff"),
        "another odd name": policy(b"w\xff", b"w\xfe"),
        "two odd names": b"witness w\xfe %b\n" % other + policy(b"w\xff"),
        "replacement character": policy(b"\xff", b"\xef\xbf\xbd"),
        "half of a character": policy(b"\xed\xa0\x80"),
        "cut character": policy(b"\xe2\x82"),
        "characters around": policy(foreign),
        "key of no name": policy(b"w1", key=key.replace(b"witness.example/w1+", b"witness.\xff+")),
        "missing": policy(foreign, key=other),
        "missing, long": policy(b"q" * 150, key=other),
    }
    found = compare(make_set(*(Vector(name, data, keys, policy=each) for name, each in policies.items())))
    assert found == {"holds": 6, "input-malformed": 3, "does-not-hold": 2}


def test_certificates_are_taken_out_of_files_as_python_takes_them_out() -> None:
    data, keys = make_certificate()
    report = verify_certificate(data, key_file=keys)
    html, pdf = render_html(data, report).encode(), _pdf(data, report)
    files = {
        "json": data,
        **dict(_changed_pages(html)),
        **dict(_changed_documents(pdf, data.replace(b"holds", b"holdz"))),
    }
    script = f"""
        import {{ takeOut }} from {json.dumps((MODULES / "enclosure.js").as_uri())};
        import {{ readFileSync }} from "node:fs";
        const answers = [];
        for (const text of JSON.parse(readFileSync(0, "utf8"))) {{
            try {{
                const {{ data }} = await takeOut(new Uint8Array(Buffer.from(text, "base64")));
                answers.push(Buffer.from(data).toString("base64"));
            }} catch (error) {{
                answers.push(error.name === "InputError" ? null : String(error.stack));
            }}
        }}
        process.stdout.write(JSON.stringify(answers));
    """
    answers = run_node(script, [base64.b64encode(each).decode() for each in files.values()])
    taken = 0
    for (name, file), given in zip(files.items(), answers, strict=True):
        try:
            expected = base64.b64encode(take_out(file).certificate).decode()
        except InputError:
            expected = None
        # A PDF that somebody changed may be refused here, and a reader is told what to do; another file is never taken.
        if not (given is None and name.startswith("changed PDF")):
            assert given == expected, name
        taken += given is not None
    assert taken >= 5


def _changed_pages(html: bytes) -> Iterator[tuple[str, bytes]]:
    yield "page", html
    links = [re.search(rb'<a id="enclosed-%b"[^>]*>' % name, html) for name in (b"certificate", b"page")]
    certificate, note = (found.group() for found in links if found)
    yield "page without its note", html.replace(note, b"")
    yield "page with two notes", html.replace(note, note * 2)
    yield "page with two certificates", html.replace(certificate, certificate * 2)
    yield "page with other quotes", html.replace(b'id="enclosed-page"', b"id='enclosed-page'")
    yield "page that speaks of a note", html + b'id="enclosed-page"'
    yield "page whose note is no base64", html.replace(note, note.replace(b"base64,", b"base64,A"))
    yield "page with the note first", html.replace(certificate, b"@@").replace(note, certificate).replace(b"@@", note)
    yield "page in capitals", html.replace(b"<!doctype html>", b"<!DOCTYPE HTML>")
    yield "page behind a space", b" " + html


def _changed_documents(pdf: bytes, other: bytes) -> Iterator[tuple[str, bytes]]:
    yield "PDF", pdf
    yield "small letters", b"%pdf-" + pdf[5:]
    found = (
        re.search(rb"\(certificate\.json\)([0-9]+) 0 R\(page\.json\)", pdf),
        re.search(rb"/EF<</F ([0-9]+) 0 R", pdf),
    )
    entry, stream = (each.group(1) for each in found if each)
    packed = zlib.compress(other)
    bare = b"<</Length %d/Filter/FlateDecode>>\nstream\n%b\nendstream\nendobj\n" % (len(packed), packed)
    typed = bare.replace(b"<<", b"<</Type/EmbeddedFile")
    yield "changed PDF, another attachment", _updated(pdf, int(stream), bare)
    yield "changed PDF, another attachment that says so", _updated(pdf, int(stream), typed)
    yield "changed PDF, no attachment", _updated(pdf, int(entry), b"<</Type/Filespec/F(certificate.json)>>\nendobj\n")
    yield "changed PDF, lost attachment", pdf + b"\n9999 0 obj\n" + typed
    yield "changed PDF, other name", pdf.replace(b"certificate.json", b"certificatX.json")
    yield "changed PDF, no names", pdf.replace(b"/Names<</EmbeddedFiles", b"/Namez<</EmbeddedFiles")
    yield "changed PDF, two streams", pdf.replace(b"/UF %b 0 R" % stream, b"/UF 1 0 R" + b" " * (len(stream) - 1))
    yield "changed PDF, encrypted", pdf.replace(b"/Root ", b"/Encrypt 1 0 R/Root ")
    yield "changed PDF, no end", pdf[:-10]
    yield "changed PDF, twice", pdf + pdf


def _updated(pdf: bytes, number: int, body: bytes) -> bytes:
    """Return a PDF with a newer edition of one of its objects behind it, as editors write it."""
    found = re.search(rb"/Size ([0-9]+)/Root ([0-9]+) 0 R.*startxref\n([0-9]+)\n", pdf, re.DOTALL)
    assert found is not None
    size, root, table = map(int, found.groups())
    begun = pdf + b"\n%d 0 obj\n" % number + body
    place = b"xref\n%d 1\n%010d 00000 n\r\n" % (number, len(pdf) + 1)
    end = b"trailer\n<</Size %d/Root %d 0 R/Prev %d>>\nstartxref\n%d\n%%%%EOF\n" % (size, root, table, len(begun))
    return begun + place + end


def _pdf(data: bytes, report: CertificateReport) -> bytes:
    pytest.importorskip("typst", reason="the part 'pdf' is not installed")
    return render_pdf(data, report)


def test_frozen_certificates_hold() -> None:
    vectors = []
    for folder in ("v1", "v1-extended", "v1-second-key"):
        for keys in sorted((COMPAT / folder).glob("keys*.json")):
            data = (COMPAT / folder / "certificate.json").read_bytes()
            vectors.append(Vector(f"{folder} {keys.name}", data, keys.read_bytes()))
    assert compare(make_set(*vectors)) == {"holds": 4}


@dataclass
class TwiceSignedLog(MemoryLog):
    """A log whose heads carry a line of ML-DSA-44 too, which something happens to."""

    damage: Callable[[bytes], bytes] = bytes
    heads: dict[int, str] = field(default_factory=dict)

    def checkpoint(self) -> str:
        if self.size not in self.heads:  # each signature is another one, so a head is signed once
            note = SignedNote.from_text(super().checkpoint())
            first, second = note.signatures
            line = replace(second, signature=self.damage(second.signature))
            self.heads[self.size] = SignedNote(note.text, (first, line)).to_text()
        return self.heads[self.size]


def flip(at: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_damaged_lines_of_a_post_quantum_key_are_refused() -> None:
    second = MlDsaPrivateKey.generate()
    plain = make_keys()
    key_file = KeyFile.create(
        origin=plain.key_file.origin,
        organisation=plain.key_file.organisation,
        root_signers=[plain.root],
        log_keys=[plain.log.public_key, second.public_key],
        record_keys=[plain.record.public_key],
        issued_at=plain.key_file.issued_at,
    )
    keys = replace(plain, log=HybridSigner(plain.log, second), key_file=key_file)  # type: ignore[arg-type]
    damages = {
        "none": bytes,
        "time": flip(3),
        "challenge": flip(8 + 5),
        "response": flip(8 + 32 + 700),
        "last response": flip(8 + 32 + 4 * 576 - 1),
        "hints": flip(8 + 32 + 4 * 576 + 2),
        "number of hints": flip(8 + 2420 - 1),
        "cut": lambda data: data[:-1],
        "longer": lambda data: data + b"\0",
        "nothing": lambda data: bytes(len(data)),
        "all ones": lambda data: data[:8] + b"\xff" * 2420,
    }
    vectors = [
        Vector(name, Removal(log=TwiceSignedLog(keys=keys, damage=damage)).certificate(), key_file.to_bytes())
        for name, damage in damages.items()
    ]
    # Whoever does not know the second key passes its line over.
    vectors.append(Vector("unknown", vectors[2].data, plain.key_file.to_bytes()))
    assert compare(make_set(*vectors)) == {"holds": 1, "does-not-hold": len(vectors) - 1}


def test_chains_of_key_files_are_judged_as_python_judges_them() -> None:
    keys = make_keys()
    log = MemoryLog(keys=keys)
    removal = Removal(log=log)
    data = removal.certificate()
    record, root = make_key("later/record"), make_key("later/root")
    stranger = make_keys("stranger")

    def change(made: KeyFileChange, *signers: Any, at: str = "2026-11-21T00:00:00Z") -> KeyFile:
        proposal = made.propose(issued_at=at)
        for signer in signers:
            proposal = proposal.sign(signer)
        return proposal.finish()

    added = KeyFileChange(keys.key_file).add(
        record.public_key, Role.RECORD, valid_from="2026-11-21T00:00:00Z", valid_from_size=5
    )
    newer = change(added, keys.root)
    newest = change(
        KeyFileChange(newer)
        .add(root.public_key, Role.ROOT, valid_from="2026-11-22T00:00:00Z")
        .revoke(keys.root.public_key.key_id, from_size=0),
        keys.root,
        root,
        at="2026-11-22T00:00:00Z",
    )
    files = {"same": keys.key_file, "newer": newer, "newest": newest, "of a stranger": stranger.key_file}
    record_id, log_id = keys.record.public_key.key_id, keys.log.public_key.key_id
    for size in (0, 3, 5, 6, 100):
        files[f"record revoked from {size}"] = change(added.revoke(record_id, from_size=size), keys.root)
        second_log = KeyFileChange(keys.key_file).add(
            make_key("later/log").public_key, Role.LOG, valid_from="2026-11-21T00:00:00Z", valid_from_size=size
        )
        files[f"log revoked from {size}"] = change(second_log.revoke(log_id, from_size=size), keys.root)
    vectors = [Vector(name, data, each.to_bytes()) for name, each in files.items()]
    for name in ("newer", "newest"):
        made = removal.certificate(key_file=files[name].to_object())
        vectors += [
            Vector(f"made with {name}, read with {other}", made, each.to_bytes()) for other, each in files.items()
        ]
    later = replace(keys, record=record)
    theirs = Removal(log=MemoryLog(keys=later)).certificate(key_file=newer.to_object())
    vectors += [
        Vector(f"by the later key, read with {other}", theirs, each.to_bytes()) for other, each in files.items()
    ]
    for name, signer in {"the key of issue": keys.record, "the later key": record, "the log key": keys.log}.items():
        stamped = stamp_certificate(data, [b"a token that is not looked at"], signer)
        vectors += [
            Vector(f"stamped by {name}, read with {other}", stamped, each.to_bytes()) for other, each in files.items()
        ]
    found = compare(make_set(*vectors))
    assert min(found["holds"], found["does-not-hold"]) > 4


def test_bounds_are_computed_as_python_computes_them() -> None:
    counts = [(0, 1), (1, 1), (0, 20), (20, 20), (3, 17), (19, 40), (1, 2000), (40_000, 90_000), (10**6 - 1, 10**6)]
    counts += [(matches, n) for n in (2, 7, 25) for matches in range(n + 1)]
    script = f"""
        import {{ clopperPearson }} from {json.dumps((MODULES / "decision.js").as_uri())};
        import {{ readFileSync }} from "node:fs";
        const counts = JSON.parse(readFileSync(0, "utf8"));
        process.stdout.write(JSON.stringify(counts.map(([matches, n]) => clopperPearson(matches, n))));
    """
    for (matches, n), given in zip(counts, run_node(script, counts), strict=True):
        assert given == pytest.approx(clopper_pearson(matches, n), abs=2e-10), (matches, n)


def test_figures_are_spelt_as_python_spells_them() -> None:
    figures = [
        0,
        1,
        -1,
        0.1,
        0.35,
        1 / 3,
        123456.7,
        999999.5,
        1234567,
        1e-4,
        0.00012345678,
        9.99999e-5,
        1e-9,
        1e21,
        5e-324,
    ]
    figures += [0.0999999999, 100000, 0.30000000000000004, 2.5e-7, -1234.56789]
    texts = ["plain", "it's", 'say "it\'s"', "a\tb\n", "\\", "\u00e4", "\u2028", "\U0001f600", "\x7f"]
    script = f"""
        import {{ quoted, shortNumber }} from {json.dumps((MODULES / "words.js").as_uri())};
        import {{ readFileSync }} from "node:fs";
        const [figures, texts] = JSON.parse(readFileSync(0, "utf8"));
        process.stdout.write(JSON.stringify([figures.map(shortNumber), texts.map(quoted)]));
    """
    spelt, quoted = run_node(script, [figures, texts])
    assert spelt == [f"{each:.6g}" for each in figures]
    assert quoted == [ascii(each) for each in texts]


def test_wording_is_that_of_the_format() -> None:
    kinds = [(history, stamped) for history in (False, True) for stamped in (False, True)]
    script = f"""
        import {{ wording }} from {json.dumps((MODULES / "wording.js").as_uri())};
        import {{ readFileSync }} from "node:fs";
        const kinds = JSON.parse(readFileSync(0, "utf8"));
        process.stdout.write(JSON.stringify(kinds.map(([history, stamped]) => wording({{ history, stamped }}))));
    """
    for (history, stamped), given in zip(kinds, run_node(script, kinds), strict=True):
        assert given == [list(each) for each in wording(history=history, stamped=stamped)]


def members_of(model: Any) -> Any:
    """The names of all members of a model, at any depth, as the modules know them."""
    while not (isinstance(model, type) and issubclass(model, BaseModel)):
        found = [members_of(each) for each in get_args(model) if each is not Ellipsis]
        return next((each for each in found if each), None)
    return {each.alias or name: members_of(each.annotation) for name, each in sorted(model.model_fields.items())}


def test_every_member_of_a_statement_is_known_to_the_modules() -> None:
    script = f"""
        import {{ PREDICATES }} from {json.dumps((MODULES / "statement.js").as_uri())};
        const names = (shape) => shape.members === undefined ? null : Object.fromEntries(
            Object.entries(shape.members).map(([name, inner]) => [name, names(inner)]));
        process.stdout.write(JSON.stringify(names({{ members: PREDICATES }})));
    """
    models = get_args(get_args(Predicate)[0])
    expected = {model.model_fields["kind"].default: members_of(model) for model in models}
    assert run_node(script) == expected
