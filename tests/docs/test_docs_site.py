"""The documentation as a site is built without a warning, and its pages fetch nothing from elsewhere."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_site_is_whole_and_needs_no_network(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list(tmp_path.rglob("index.html"))
    assert len(pages) >= 40
    for page in pages:
        fetched = re.findall(
            r'<(?:script|img|iframe|link rel="stylesheet")[^>]*(?:src|href)="(https?:[^"]+)"', page.read_text()
        )
        assert not fetched, f"{page.relative_to(tmp_path)} fetches {fetched}"
    reference = (tmp_path / "reference" / "commands" / "index.html").read_text()
    assert all(f"sensorium {name}" in reference for name in ("fit", "federate simulate", "import"))
