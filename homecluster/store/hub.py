"""Models in the caches of Hugging Face and ModelScope on this PC, and a config.json from the hub itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final

from homecluster.errors import HomeclusterError, InputError, MissingError
from homecluster.store.files import MAX_DOCUMENT_BYTES

ANSWER_WITHIN_S: Final = 4.0
"""A hub that is reachable answers in a fraction of this; without one, planning must not hang."""

_HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)
_WEIGHTS: Final = ("*.safetensors", "pytorch_model*.bin")


def is_hub_id(reference: str) -> bool:
    """`owner/name` or a bare name, as the hub allows them."""
    return _HUB_ID.fullmatch(reference) is not None and ".." not in reference


def cached_folder(hub_id: str, environment: Mapping[str, str]) -> Path | None:
    """The folder on this PC that holds the model's config.json, without asking any network."""
    for folder in (_hugging_face_folder(hub_id), *_modelscope_folders(hub_id, environment)):
        if folder is not None and (folder / "config.json").is_file():
            return folder
    return None


def has_weights(folder: Path) -> bool:
    """Whether a model folder holds weights, not only a configuration."""
    return any(next(folder.glob(pattern), None) is not None for pattern in _WEIGHTS)


def fetch_config(hub_id: str) -> str:
    """The text of a model's config.json on the hub; HF_ENDPOINT names another hub.

    Raises:
        InputError: the hub does not know the model, or does not answer within `ANSWER_WITHIN_S`.
        MissingError: huggingface_hub is not installed, or the model's licence must be accepted first.
    """
    answer: SimpleQueue[str | HomeclusterError] = SimpleQueue()
    # a thread because nothing bounds the time of a name look-up; a daemon so that it cannot hold the exit
    Thread(target=lambda: answer.put(_try_fetch(hub_id)), daemon=True).start()
    try:
        result = answer.get(timeout=ANSWER_WITHIN_S)
    except Empty:
        raise InputError(f"{hub_id} is not on this PC, and the hub does not answer") from None
    if isinstance(result, HomeclusterError):
        raise result
    return result


def _try_fetch(hub_id: str) -> str | HomeclusterError:
    try:
        # heavy: more than a whole plan
        from huggingface_hub import errors, hf_hub_url  # noqa: PLC0415
        from huggingface_hub.utils import (  # noqa: PLC0415
            build_hf_headers,
            get_session,
            hf_raise_for_status,
        )
    except ImportError:
        return MissingError(
            f"{hub_id} is not in the catalogue, and huggingface_hub is not installed to look for it on the hub",
            hint="pip install 'homecluster[hub]', or give the path of its config.json.",
        )
    try:
        url = hf_hub_url(hub_id, "config.json")
        # hf_hub_download would retry for half a minute where there is no network
        with get_session().stream(
            "GET", url, headers=build_hf_headers(), timeout=ANSWER_WITHIN_S
        ) as response:
            if response.is_error:
                response.read()
            hf_raise_for_status(response)
            return _bounded_text(hub_id, response.iter_bytes())
    except errors.GatedRepoError:
        return MissingError(
            f"{hub_id} is only given to those who accepted its licence",
            hint="accept it on the model's page and log in with `hf auth login`, or give the path of its config.json.",
        )
    except errors.RepositoryNotFoundError:
        return InputError(f"the hub knows no model {hub_id} (or keeps it private)")
    except errors.EntryNotFoundError:
        return InputError(f"{hub_id} has no config.json on the hub")
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        return InputError(f"the hub refuses to give {hub_id}: HTTP status {status}")
    except (errors.HTTPError, OSError):  # the HTTP library's own base class, and offline mode
        return InputError(f"{hub_id} is not on this PC, and the hub cannot be reached")


def _bounded_text(hub_id: str, chunks: Iterable[bytes]) -> str | HomeclusterError:
    body = b""
    for chunk in chunks:
        body += chunk
        if len(body) > MAX_DOCUMENT_BYTES:
            return InputError(f"the hub's config.json of {hub_id} is larger than any real one")
    try:
        return body.decode()
    except UnicodeDecodeError:
        return InputError(f"the hub's config.json of {hub_id} is not UTF-8 text")


def _hugging_face_folder(hub_id: str) -> Path | None:
    try:
        from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - heavy, see above
    except ImportError:
        return None
    found = try_to_load_from_cache(hub_id, "config.json")
    return Path(found).parent if isinstance(found, str) else None


def _modelscope_folders(hub_id: str, environment: Mapping[str, str]) -> Iterator[Path]:
    """ModelScope keeps `owner/name` as folders, newer versions under `models/`, with dots written `___`."""
    home = environment.get("MODELSCOPE_CACHE")
    roots = (
        (Path(home), Path(home) / "hub")
        if home
        else (Path(environment.get("HOME") or Path.home()) / ".cache" / "modelscope" / "hub",)
    )
    for root in roots:
        for name in (hub_id, hub_id.replace(".", "___")):
            yield root / "models" / name
            yield root / name
