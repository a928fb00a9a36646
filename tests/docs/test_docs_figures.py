"""Figures that pages quote stand in the results that they link to."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\((?:\.\./)*(benchmarks/results/(\w+))\.md\)")
PAGES = ["README.md", "README.zh-CN.md"]


def paragraphs(page: str) -> list[str]:
    """Paragraphs, points of a list and rows of a table, each on one line."""
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.DOTALL)
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n|\n(?=- |\|)", text)]


@pytest.mark.parametrize("page", PAGES)
def test_quoted_scores_stand_in_the_linked_results(page):
    found = 0
    for paragraph in paragraphs(page):
        links = LINK.findall(paragraph)
        if links:
            results = " ".join((ROOT / f"{path}.md").read_text() for path, _ in links)
            for score in re.findall(r"(?<![\d.])0?(\.\d{3})(?!\d)", paragraph):
                assert score in results, f"{page}: {score} stands in none of {[name for _, name in links]}: {paragraph}"
                found += 1
    assert found >= 4, "the figures of the page were not found"


@pytest.mark.parametrize(
    "page",
    [
        path.relative_to(ROOT).as_posix()
        for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    ],
)
def test_links_to_files_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target and not target.startswith("mailto:"):
            assert ((ROOT / page).parent / target).exists(), f"{page}: {target} is not there"
