from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from ganops.adapters.key_ring import WorkspaceKeys
from ganops.adapters.model_signer import folder_difference, sign_folder
from ganops.errors import DamagedFile, UserError
from ganops.layout import Layout
from ganops.plain_text import steering
from ganops.provenance.signing import create_keys, load_private, load_public, opened, sealed, trusted_keys
from ganops.provenance.statement import PAYLOAD_TYPE

STATEMENT = {"_type": "a statement", "of": ["Zürich", 1.5]}


def keys(folder: Path, password: str | None = None) -> Any:
    public = create_keys(folder / "private" / "ganops.key", folder / "keys" / "ganops.pub", password)
    private = load_private(folder / "private" / "ganops.key", password)
    assert private is not None and private.id == public.id
    return private, public


def envelope(private: Any) -> bytes:
    return json.dumps(sealed(json.dumps(STATEMENT).encode(), private)).encode()


def test_a_signed_statement_is_verified_and_read(tmp_path: Path) -> None:
    private, public = keys(tmp_path)
    found = opened(envelope(private), trusted_keys(tmp_path / "keys"))
    assert (found.statement, found.key, found.verified) == (STATEMENT, public.id, True)


def test_what_is_no_public_key_takes_nothing_from_those_that_are(tmp_path: Path) -> None:
    private, _ = keys(tmp_path)
    (tmp_path / "keys" / "folder.pub").mkdir()
    (tmp_path / "keys" / "garbage.pub").write_text("-----BEGIN PUBLIC KEY-----")
    os.mkfifo(tmp_path / "keys" / "pipe.pub")
    assert opened(envelope(private), trusted_keys(tmp_path / "keys")).verified


def test_an_unsigned_statement_is_read_and_not_verified(tmp_path: Path) -> None:
    found = opened(json.dumps(STATEMENT).encode(), ())
    assert (found.statement, found.key, found.verified) == (STATEMENT, None, False)


def test_any_tool_that_knows_dsse_can_verify(tmp_path: Path) -> None:
    """With securesystemslib, whose envelope this one is."""
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import SSlibKey

    private, public = keys(tmp_path)
    found = Envelope.from_dict(json.loads(envelope(private)))
    theirs = SSlibKey.from_crypto(public.key, keyid=public.id)
    assert list(found.verify([theirs], threshold=1)) == [public.id]
    assert (found.payload, found.payload_type) == (json.dumps(STATEMENT).encode(), PAYLOAD_TYPE)


@pytest.mark.parametrize("part", ["payload", "sig", "type", "key"])
def test_a_changed_envelope_is_not_verified(tmp_path: Path, part: str) -> None:
    private, _ = keys(tmp_path)
    other, _ = keys(tmp_path / "other")
    value = json.loads(envelope(private))
    if part == "payload":
        value["payload"] = base64.b64encode(json.dumps({**STATEMENT, "more": 1}).encode()).decode()
    elif part == "sig":
        value["signatures"][0]["sig"] = json.loads(envelope(other))["signatures"][0]["sig"]
    elif part == "type":
        value["payloadType"] = "text/plain"
    else:
        value["signatures"][0]["keyid"] = other.id
    assert not opened(json.dumps(value).encode(), trusted_keys(tmp_path / "keys")).verified


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"payload": 1}',
        b'{"payload": "", "payloadType": "", "signatures": []}',
        b"[" * 10**5,
    ],
)
def test_what_is_no_envelope_is_refused(content: bytes) -> None:
    with pytest.raises(DamagedFile):
        opened(content, ())


def test_private_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    keys(tmp_path)
    assert (tmp_path / "private" / "ganops.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "private").stat().st_mode & 0o077 == 0


def test_an_encrypted_key_asks_for_its_password(tmp_path: Path) -> None:
    keys(tmp_path, "pässword")
    path = tmp_path / "private" / "ganops.key"
    assert b"ENCRYPTED" in path.read_bytes()
    with pytest.raises(UserError, match="GANOPS_KEY_PASSWORD"):
        load_private(path, None)
    with pytest.raises(DamagedFile, match="password"):
        load_private(path, "another")


def test_a_password_for_a_key_without_one_is_a_mistake(tmp_path: Path) -> None:
    keys(tmp_path)
    with pytest.raises(UserError, match="not encrypted"):
        load_private(tmp_path / "private" / "ganops.key", "password")


def test_a_key_is_not_made_twice(tmp_path: Path) -> None:
    keys(tmp_path)
    with pytest.raises(UserError, match="exists already"):
        keys(tmp_path)


@pytest.mark.parametrize("content", [b"", b"rubbish", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_key_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ganops.pub"
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match="public key"):
        load_public(path)


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate().public_key()
    path = tmp_path / "ganops.pub"
    path.write_bytes(key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(DamagedFile, match="P-256"):
        load_public(path)


@pytest.mark.parametrize("password", [None, "secret"])
def test_a_signed_folder_is_held_to_its_signature(tmp_path: Path, password: str | None) -> None:
    private, public = keys(tmp_path, password)
    folder, signature = tmp_path / "model", tmp_path / "signatures" / "model.sig"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "weights").write_bytes(b"12345")
    (folder / ".gitignore").write_text("weights\n")
    sign_folder(folder, signature, private, password)
    assert folder_difference(folder, signature, public) is None
    (folder / ".gitignore").write_text("nothing\n")
    assert "gitignore" in str(folder_difference(folder, signature, public))


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b'{"mediaType": "x"}'])
def test_a_signature_that_is_none_is_a_difference(tmp_path: Path, content: bytes) -> None:
    _, public = keys(tmp_path)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_bytes(b"12345")
    (tmp_path / "model.sig").write_bytes(content)
    assert folder_difference(folder, tmp_path / "model.sig", public)


@pytest.mark.parametrize("name", [b"a\x1b[31mb", "a\u202eb".encode(), b"a\nb"])
def test_a_file_that_was_slipped_in_cannot_steer_the_terminal(tmp_path: Path, name: bytes) -> None:
    private, public = keys(tmp_path)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_bytes(b"1")
    sign_folder(folder, tmp_path / "model.sig", private, None)
    (folder / os.fsdecode(name)).write_bytes(b"2")
    said = folder_difference(folder, tmp_path / "model.sig", public)
    assert said is not None and said.isprintable() and steering(said) == []


def test_a_name_of_a_file_that_is_no_text_is_a_difference_too(tmp_path: Path) -> None:
    private, public = keys(tmp_path)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_bytes(b"1")
    sign_folder(folder, tmp_path / "model.sig", private, None)
    (folder / os.fsdecode(b"a\xffb")).write_bytes(b"2")
    said = folder_difference(folder, tmp_path / "model.sig", public)
    assert said and said.encode()


def test_keys_that_do_not_belong_together_are_said_before_a_run(tmp_path: Path) -> None:
    ring = WorkspaceKeys(Layout(tmp_path), None)
    ring.require_usable()  # without a key nothing is signed, which is allowed
    ring.create()
    WorkspaceKeys(Layout(tmp_path), None).require_usable()
    create_keys(tmp_path / "other.key", tmp_path / "other.pub", None)
    (tmp_path / "other.pub").replace(ring.public)
    with pytest.raises(UserError, match="not the private half"):
        WorkspaceKeys(Layout(tmp_path), None).require_usable()


def test_a_password_that_is_missing_is_said_before_a_run(tmp_path: Path) -> None:
    WorkspaceKeys(Layout(tmp_path), "secret").create()
    with pytest.raises(UserError, match="GANOPS_KEY_PASSWORD"):
        WorkspaceKeys(Layout(tmp_path), None).require_usable()
