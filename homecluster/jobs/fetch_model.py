"""A model's files from the hub into its cache.

Runs inside the engine environment: `python -m homecluster.jobs.fetch_model OWNER/NAME`.
Prints the folder; exit codes are those of `homecluster.errors`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec

from homecluster.errors import HomeclusterError, MissingError

ANSWER_WITHIN_S = 10.0
WANTED = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken"]
"""Not `*.bin`: pickles run code when they are read."""


def fetch(hub_id: str) -> str:
    """The folder that holds the model's newest revision.

    Raises:
        MissingError: no answer, a licence to accept, no such model, or no disk space.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    try:
        HfApi().model_info(hub_id, timeout=ANSWER_WITHIN_S)
        return str(snapshot_download(hub_id, allow_patterns=WANTED))
    except GatedRepoError as error:
        raise MissingError(
            f"{hub_id} is only given to those who accepted its licence",
            hint="accept it on the model's page and set HF_TOKEN.",
        ) from error
    except RepositoryNotFoundError as error:
        raise MissingError(f"the hub knows no model {hub_id} (or keeps it private)") from error
    except (HfHubHTTPError, OSError, RuntimeError, _network_error()) as error:
        raise MissingError(
            f"the weights of {hub_id} are not on this PC, and the hub does not give them: {_short(error)}",
            hint="check the network (HF_ENDPOINT names another hub), name a folder that holds the weights, "
            "or try the speed without them: --random-weights",
        ) from error


def _network_error() -> type[Exception]:
    """What the hub's own client raises when it reaches nobody."""
    # huggingface_hub 2 moved from httpx to httpx2.
    client = import_module("httpx2" if find_spec("httpx2") else "httpx")
    error: type[Exception] = client.HTTPError
    return error


def _short(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def main() -> int:
    try:
        sys.stdout.write(fetch(sys.argv[1]) + "\n")
    except HomeclusterError as error:
        sys.stderr.write(f"error: {error.message}\n")
        if error.hint:
            sys.stderr.write(f"hint: {error.hint}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
