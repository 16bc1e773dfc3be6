"""OpenSSF model-signing, in key mode: one signature over every file of a model's folder, verified offline.

Needs the extra `signing`. The signature lies outside of the folder that it is about, where it would be a file too many.
"""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import importlib.util
import io
from contextlib import redirect_stdout
from pathlib import Path

from ganops.errors import UserError, VendorError
from ganops.plain_text import spelt
from ganops.provenance.signing import PASSWORD, PrivateKey, PublicKey

_NOT_SIGNED: frozenset[str] = frozenset()
"""Files that a signature leaves out. By itself the library leaves out git's, so that one could be slipped in."""


def sign_folder(folder: Path, signature: Path, key: PrivateKey, password: str | None) -> None:
    """Write `signature`, over every file in `folder`.

    Raises:
        UserError: model-signing is not installed.
        VendorError: it failed.
    """
    require_installed()
    from model_signing import hashing, signing

    try:
        # the library's own type says text, and hands it on to what takes bytes
        secret = password.encode() if password else None
        config = signing.Config().use_elliptic_key_signer(private_key=key.path, password=secret)  # type: ignore[arg-type]
        config.set_hashing_config(hashing.Config().set_ignored_paths(paths=_NOT_SIGNED, ignore_git_paths=False))
        signature.parent.mkdir(parents=True, exist_ok=True)
        config.sign(folder, signature)
    except (ValueError, TypeError, OSError) as error:
        raise VendorError(f"The model in {folder} cannot be signed with {key.path} ({error}; {PASSWORD}).") from None


def folder_difference(folder: Path, signature: Path, key: PublicKey) -> str | None:
    """How `folder` differs from what was signed, in plain text whatever its files are called; None where it does not.

    Raises:
        UserError: model-signing is not installed.
    """
    require_installed()
    from model_signing import hashing, verifying

    config = verifying.Config().use_elliptic_key_verifier(public_key=key.path)
    config.set_hashing_config(hashing.Config().set_ignored_paths(paths=_NOT_SIGNED, ignore_git_paths=False))
    try:
        with redirect_stdout(io.StringIO()):
            config.verify(folder, signature)
    except Exception as error:  # a signature was written by anybody, and the library raises what its parsers raise
        return spelt(" ".join(f"{error or type(error).__name__}".split()))[:500]
    return None


def require_installed() -> None:
    """`UserError` where model-signing is not there."""
    if importlib.util.find_spec("model_signing") is None:
        raise UserError(
            "Signing needs model-signing, which is not installed. Install with: pip install 'ganops[signing]'."
        )
