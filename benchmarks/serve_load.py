"""What one client of benchmarks/serve.py does, for locust: one row after the other, as fast as they are answered."""

import itertools
import json
import os
from pathlib import Path

from locust import FastHttpUser, task

ROWS = json.loads(Path(os.environ["SERVE_ROWS"]).read_text())
TURNS = itertools.count()


class Client(FastHttpUser):
    @task
    def predict(self) -> None:
        self.client.post("/predict", json={"rows": [ROWS[next(TURNS) % len(ROWS)]]})
