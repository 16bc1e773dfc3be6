"""Servers that the environment names: asked once whether they are there, before anything waits for them."""

from __future__ import annotations

import http.client
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping

from ganops.errors import FlowError, TrackingError, UserError, VendorError

_TRIES, _TIMEOUT_SECONDS, _PAUSE_SECONDS = 3, 4.0, 1.0


def require_servers(environment: Mapping[str, str]) -> None:
    """Look whether the servers that the environment names are there.

    Raises:
        UserError: an address is none.
        VendorError: nobody answers.
    """
    if api := environment.get("PREFECT_API_URL"):
        require_answer(api, "PREFECT_API_URL", FlowError)
    if (uri := environment.get("MLFLOW_TRACKING_URI", "")).startswith(("http://", "https://")):
        require_answer(uri, "MLFLOW_TRACKING_URI", TrackingError)


def require_answer(url: str, variable: str, kind: type[VendorError]) -> None:
    """Any answer will do, an error page too: whether it is the right server is for its client to find out.

    Raises:
        UserError: `url` is no address of a web server.
        VendorError: of `kind`: nobody answers, after about a quarter of a minute at most.
    """
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE_SECONDS)
        try:
            urllib.request.urlopen(without_credentials(url), timeout=_TIMEOUT_SECONDS).close()
            return
        except urllib.error.HTTPError:
            return
        except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            if isinstance(reason, ssl.SSLError):  # there is one; its client knows which certificates to trust
                return
            why = " ".join(str(reason).split()) or type(reason).__name__
        except ValueError:
            shown = without_credentials(url)
            raise UserError(
                f"{variable} is '{shown}', and no address like http://HOST:PORT. {_fix(variable)}"
            ) from None
    raise kind(f"No server answers at {without_credentials(url)}, which {variable} names ({why}). {_fix(variable)}")


def without_credentials(text: str) -> str:
    """`text` with the user and password left out of every address in it."""
    return re.sub(r"(?<=://)[^/\s]*@", "", text)


def _fix(variable: str) -> str:
    return f"Start that server or correct {variable}; without it the workspace uses its own."
