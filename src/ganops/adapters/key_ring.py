"""A workspace's keys: the private one in `.ganops/keys/`, never in git; the public ones in `keys/`, always."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from ganops.errors import DamagedFile, UserError
from ganops.layout import Layout
from ganops.provenance.statement import Opened

if TYPE_CHECKING:  # cryptography comes with the extra `signing`, and a GPU node has no keys
    from ganops.provenance.signing import PrivateKey, PublicKey

PRIVATE, PUBLIC = "ganops.key", "ganops.pub"


@final
@dataclass(frozen=True)
class WorkspaceKeys:
    """Implements `ports.KeyRing`. password: of the private key; None where it is not encrypted."""

    layout: Layout
    password: str | None
    given: tuple[Path, ...] = ()

    @property
    def private(self) -> Path:
        return self.layout.private_keys / PRIVATE

    @property
    def public(self) -> Path:
        return self.layout.public_keys / PUBLIC

    def create(self) -> str:
        """Make a pair of keys; returns its id.

        Raises:
            UserError: there is one already.
        """
        from ganops.provenance.signing import create_keys

        return create_keys(self.private, self.public, self.password).id

    def require_usable(self) -> None:
        """Look whether what is there can be signed with: better said before a run than after it.

        Raises:
            UserError: the key's password is missing or wrong, its public half is not there, or model-signing is not.
            DamagedFile: a key cannot be read.
        """
        if self._key is not None:
            from ganops.adapters.model_signer import require_installed

            require_installed()
        if self._key is not None and self._key.id not in [public.id for public in self._trusted]:
            raise UserError(
                f"{self.private} is not the private half of any key in {self.layout.public_keys}: what it signs could "
                "not be verified. Restore both with what belongs together, or move the private key away."
            )

    @property
    def signs_as(self) -> str | None:
        return self._key.id if self._key else None

    def sealed(self, payload: bytes) -> Mapping[str, Any]:
        from ganops.provenance.signing import sealed

        assert self._key is not None, "there is a key to sign with"
        return sealed(payload, self._key)

    def opened(self, content: bytes) -> Opened:
        from ganops.provenance.signing import opened

        return opened(content, self._trusted)

    def sign_folder(self, folder: Path, signature: Path) -> None:
        from ganops.adapters.model_signer import sign_folder

        assert self._key is not None, "there is a key to sign with"
        sign_folder(folder, signature, self._key, self.password)

    def folder_difference(self, folder: Path, signature: Path, key: str) -> str | None:
        from ganops.adapters.model_signer import folder_difference

        found = next((public for public in self._trusted if public.id == key), None)
        if found is None:
            where = "that were given" if self.given else f"in {self.layout.public_keys.name}/"
            return f"the key {key[:12]} is not among those {where}"
        return folder_difference(folder, signature, found)

    @cached_property
    def _key(self) -> PrivateKey | None:
        if not self.private.exists():
            return None
        from ganops.provenance.signing import load_private

        return load_private(self.private, self.password)

    @cached_property
    def _trusted(self) -> tuple[PublicKey, ...]:
        from ganops.provenance.signing import load_public, trusted_keys

        return tuple(map(load_public, self.given)) if self.given else trusted_keys(self.layout.public_keys)


def require_public_key(path: Path) -> None:
    """Look whether a file that somebody names is a public key; `UserError` where it is none."""
    from ganops.provenance.signing import load_public

    try:
        if not path.is_file():
            raise DamagedFile("there is no such file.")
        load_public(path)
    except DamagedFile as error:
        raise UserError(
            f"--key {path} is no public key that GanOps could have made: give your own copy of a workspace's "
            f"keys/{PUBLIC}. ({' '.join(str(error).split())[:200]})"
        ) from None
