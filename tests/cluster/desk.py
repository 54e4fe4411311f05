"""`python -m tests.cluster.desk CPU`: answers the verbs of a gang inside an emulated PC, one JSON line each.

In the place of the agent, so that these tests are about gangs alone. It and all it starts stay on that CPU.
"""

import json
import os
import sys
from typing import Any

from homecluster.errors import HomeclusterError
from homecluster.store.paths import paths_from
from tests.fakes.gangs import HANDLERS


def main() -> None:
    os.sched_setaffinity(0, {int(sys.argv[1])})
    paths = paths_from(os.environ)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer: dict[str, Any] = {"answer": HANDLERS[asked["verb"]](paths, asked["body"])}
        except HomeclusterError as error:
            answer = {"error": error.message, "hint": error.hint}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
