"""The published weights of the FID Inception network: found, fetched, verified, read.

Two projects publish them under two names, and the bytes are the same (the name ends in the digest's first eight
digits): torch-fidelity's weights-inception-2015-12-05-6726825d.pth and pytorch-fid's
pt_inception-2015-12-05-6726825d.pth. Whatever has another sha256 is refused before anything in it is read.
"""

from __future__ import annotations

import http.client
import io
import os
import pickle
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ganops.errors import DamagedFile, UserError
from ganops.evaluation.extractors.given_file import read_given
from ganops.evaluation.extractors.inception import InceptionNetwork, Tap
from ganops.files import cache_folder, publish, sha256_bytes, sha256_file
from ganops.progress import Progress, silent

SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
NAME = "weights-inception-2015-12-05-6726825d.pth"
ADDRESS = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{NAME}"
_MOST_BYTES = 200_000_000
_BLOCK = 1 << 20
_TIMEOUT_SECONDS = 30
_UNUSED = "num_batches_tracked"  # some files have it; nothing depends on it
_NO_WEIGHTS = "Check the path, or name no file at all: the published weights are downloaded then."
_ELSEWHERE = (
    f"Fetch {ADDRESS} with another machine and name the file: `--extractor inception:FILE` of a score, or "
    "`reference.inception.weights` in params.yaml"
)


def published_network(weights: Path | None, tap: Tap, progress: Progress = silent) -> InceptionNetwork:
    """The network with the published weights, from the file `weights`, or from the cache, or downloaded to it.

    Raises:
        DamagedFile: the file's sha256 is not the published one.
        UserError: there is no such file, it cannot be read or is too large, or it is not in the cache and cannot be
            downloaded.
        SourceRefused: it is no regular file.
    """
    path = cached(progress) if weights is None else weights
    content = read_given(path, "the Inception weights", _MOST_BYTES, _NO_WEIGHTS)
    if (digest := sha256_bytes(content)) != SHA256:
        raise _refused(path, digest, len(content))
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise DamagedFile(f"{path} has the published sha256, but torch cannot read it ({error}).") from None
    return network_of(state, tap)


def network_of(state: Mapping[str, Tensor], tap: Tap) -> InceptionNetwork:
    """The network with parameters under their published names, whoever made them; whole, or a RuntimeError."""
    network = without_numbers(tap)
    network.load_state_dict({name: value for name, value in state.items() if not name.endswith(_UNUSED)}, assign=True)
    return network.requires_grad_(False).eval()


def without_numbers(tap: Tap) -> InceptionNetwork:
    """The network before its weights are assigned: drawing some at random first would take a second."""
    with torch.device("meta"):
        return InceptionNetwork(tap)


def cached(progress: Progress = silent) -> Path:
    """The verified file in `files.cache_folder`, downloaded if it is not there.

    Raises:
        DamagedFile: what was downloaded is not the published file.
        UserError: it cannot be downloaded or stored.
    """
    path = cache_folder() / NAME
    try:
        if path.is_file() and sha256_file(path) == SHA256:
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{NAME}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            _download(temporary, progress)
            if (digest := sha256_file(temporary)) != SHA256:
                raise _refused(f"What {ADDRESS} answered", digest, temporary.stat().st_size)
            publish(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"The Inception weights cannot be kept in {path.parent} ({error.strerror or error}). Make room there, or "
            "set GANOPS_CACHE to another folder."
        ) from None
    return path


def _download(target: Path, progress: Progress) -> None:
    try:
        with urllib.request.urlopen(ADDRESS, timeout=_TIMEOUT_SECONDS) as answer, target.open("wb") as file:
            total, done = int(answer.headers.get("Content-Length") or 0), 0
            while block := answer.read(_BLOCK):
                file.write(block)
                done += len(block)
                progress(done, total, "downloading the Inception weights")
                if done > _MOST_BYTES:
                    return  # its digest will be refused
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        why = getattr(reason, "strerror", None) or reason
        raise UserError(f"The Inception weights cannot be downloaded ({why}). {_ELSEWHERE}.") from None


def _refused(what: object, digest: str, size: int) -> DamagedFile:
    return DamagedFile(
        f"{what} is not the published Inception network: its sha256 begins {digest[:16]} and not {SHA256[:16]} "
        f"({size:,} bytes). It was cut short or changed, or is another file. {_ELSEWHERE}."
    )
