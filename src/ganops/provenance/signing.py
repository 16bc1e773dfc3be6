"""Signed statements: keys, and the DSSE envelope (Dead Simple Signing Envelope, v1.0) around a statement.

Keys are EC P-256, in PEM. What is signed is PAE("DSSEv1", payload type, payload) with ECDSA over SHA-256, so that any
tool that knows DSSE verifies it with the public key alone. A key is named by the sha256 of its public half's PEM, as in
the signatures of `model-signing`.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from ganops.errors import DamagedFile, UserError
from ganops.files import read_plain, sha256_bytes, write_bytes
from ganops.provenance.statement import PAYLOAD_TYPE, Opened

PASSWORD = "GANOPS_KEY_PASSWORD"
"""The environment's variable that holds the private key's password."""
_MAX_ENVELOPE = 64 * 2**20


@final
@dataclass(frozen=True)
class PublicKey:
    """What signatures are verified with. id: sha256 of its PEM."""

    key: ec.EllipticCurvePublicKey
    path: Path

    @property
    def id(self) -> str:
        return sha256_bytes(_pem(self.key))


@final
@dataclass(frozen=True)
class PrivateKey:
    """What statements are signed with."""

    key: ec.EllipticCurvePrivateKey
    path: Path

    @property
    def id(self) -> str:
        return sha256_bytes(_pem(self.key.public_key()))


def create_keys(private: Path, public: Path, password: str | None) -> PublicKey:
    """Make a pair of keys: the private one for the user alone (mode 0600), encrypted where there is a password.

    Raises:
        UserError: one is there already.
    """
    for path in (private, public):
        if path.exists():
            raise UserError(
                f"{path} exists already: a key is not made twice, since what it signed could not be verified any "
                "more. To change keys, rename the public one (every keys/*.pub is trusted), move the private one away, "
                "and run `ganops keys init` again."
            )
    key = ec.generate_private_key(ec.SECP256R1())
    how = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)
    private.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(handle)
    write_bytes(public, _pem(key.public_key()))
    return PublicKey(key.public_key(), public)


def load_private(path: Path, password: str | None) -> PrivateKey | None:
    """The private key; None where there is none.

    Raises:
        UserError: the password is missing or wrong.
        DamagedFile: it is no EC P-256 key in PEM.
    """
    try:
        key = serialization.load_pem_private_key(read_plain(path), password.encode() if password else None)
    except FileNotFoundError:
        return None
    except TypeError:  # a password too many, or one too few
        asked = f"{path} is encrypted: set {PASSWORD} to its password."
        raise UserError(f"{path} is not encrypted, but {PASSWORD} is set: unset it." if password else asked) from None
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        why = f"the password in {PASSWORD} may be wrong" if password else " ".join(str(error).split())[:200]
        raise DamagedFile(f"{path} cannot be read as a private key: {why}.") from None
    if not (isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)):
        raise DamagedFile(f"{path} is no EC P-256 key. `ganops keys init` makes one.")
    return PrivateKey(key, path)


def load_public(path: Path) -> PublicKey:
    """A public key; `DamagedFile` where that is none."""
    try:
        key = serialization.load_pem_public_key(read_plain(path))
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise DamagedFile(
            f"{path} cannot be read as a public key ({' '.join(str(error).split())[:200]}). Restore it with `git "
            "checkout keys`."
        ) from None
    if not (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)):
        raise DamagedFile(f"{path} is no EC P-256 key.")
    return PublicKey(key, path)


def trusted_keys(folder: Path) -> tuple[PublicKey, ...]:
    """Every public key of a workspace, `folder/*.pub`; of what is none, nothing is trusted, and the audit names it."""
    keys = []
    for path in sorted(folder.glob("*.pub")):
        with suppress(DamagedFile):
            keys.append(load_public(path))
    return tuple(keys)


def sealed(payload: bytes, key: PrivateKey) -> dict[str, Any]:
    """The envelope that holds `payload` and its signature."""
    signature = key.key.sign(_pae(payload), ec.ECDSA(SHA256()))
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": key.id, "sig": base64.b64encode(signature).decode()}],
    }


def opened(content: bytes, trusted: Iterable[PublicKey]) -> Opened:
    """Read a stored statement, signed or bare.

    Raises:
        DamagedFile: it is neither.
    """
    value = _json(content)
    if "payload" not in value:
        return Opened(value, None, verified=False)
    try:
        payload = base64.b64decode(value["payload"], validate=True)
        (signature,) = value["signatures"]
        named, bytes_ = str(signature["keyid"]), base64.b64decode(signature["sig"], validate=True)
        right = value["payloadType"] == PAYLOAD_TYPE
    except (KeyError, TypeError, ValueError):
        raise DamagedFile("It is no envelope with one signature.") from None
    verified = right and any(key.id == named and _is_signed(payload, bytes_, key) for key in trusted)
    return Opened(_json(payload), named, verified)


def _is_signed(payload: bytes, signature: bytes, key: PublicKey) -> bool:
    try:
        key.key.verify(signature, _pae(payload), ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _pae(payload: bytes) -> bytes:
    """Pre-authentication encoding: what is signed names its own type and length."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _pem(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _json(content: bytes) -> Mapping[str, Any]:
    try:
        if len(content) > _MAX_ENVELOPE:
            raise ValueError("it is larger than any statement")
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"It is no JSON: {str(error)[:200]}.") from None
    if not isinstance(value, dict):
        raise DamagedFile("It is no statement and no envelope.")
    return value
