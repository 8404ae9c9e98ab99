"""`python -m backend.performance.detect`: change detection in a process of its own, for the API.

river brings pandas and scikit-learn, 170 MB that the API would keep. Standard input: one line of JSON with the
options, then the errors as little-endian float64. Standard output: the changes as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import numpy.typing as npt

from backend.performance.changes import Change, Detector, find_changes

TIMEOUT_S = 60


class DetectionFailed(RuntimeError):
    """The process ended without an answer."""


def detect_elsewhere(errors: npt.NDArray[np.float64], detector: Detector) -> list[Change]:
    """`find_changes` in a process that ends with the answer."""
    message = json.dumps({"detector": detector}).encode() + b"\n" + errors.astype("<f8").tobytes()
    command = [sys.executable, "-m", "backend.performance.detect"]
    try:
        done = subprocess.run(command, input=message, capture_output=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise DetectionFailed("looking for changes took too long") from error
    if done.returncode:
        raise DetectionFailed(done.stderr.decode(errors="replace")[-300:])
    return [Change(**row) for row in json.loads(done.stdout)]


def main() -> None:
    """Read the stream, write the changes."""
    options = json.loads(sys.stdin.buffer.readline())
    errors = np.frombuffer(sys.stdin.buffer.read(), dtype="<f8").astype(np.float64)
    json.dump([asdict(change) for change in find_changes(errors, options["detector"])], sys.stdout)


if __name__ == "__main__":
    main()
