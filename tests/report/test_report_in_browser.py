"""The page in a real browser: all there, nothing asked for, nothing complained of, nothing run that a table brought."""

import pytest

from sensorium.report.sections import SECTIONS

DRAWN = "[...document.querySelectorAll('.plot')].map(plot => plot.querySelectorAll('.main-svg').length > 0)"


@pytest.fixture(params=[(1000, False), (1000, True), (390, False)], ids=["light", "dark", "phone"])
def opened(request, browser, evil_report):
    width, dark = request.param
    browser.look(width, dark)
    browser.open(evil_report)
    return browser, width


def test_every_section_is_there_and_every_figure_is_drawn(opened):
    page, _ = opened
    assert page.run("[...document.querySelectorAll('main > section')].map(part => part.id)") == list(SECTIONS)
    assert all(page.run("[...document.querySelectorAll('main > section')].map(part => part.innerText.length > 40)"))
    drawn = page.run(DRAWN)
    assert len(drawn) >= 10
    assert all(drawn)


def test_the_console_is_silent_and_nothing_is_asked_for(opened):
    page, _ = opened
    assert page.errors == []
    assert page.requests == []


def test_what_a_table_holds_stays_text(opened):
    page, _ = opened
    assert page.run("typeof window.evil") == "undefined"
    assert page.run("[...document.querySelectorAll('b')].filter(bold => bold.innerText == 'x').length") == 0
    assert page.run("document.querySelectorAll('[onerror], [onmouseover], img[src=x]').length") == 0
    assert "<b>x</b><script>window.evil = 1</script> & yes" in page.run("document.querySelector('main').innerText")
    # Plotly reads tags in labels: what it draws must be the name as it is.
    labels = page.run("[...document.querySelectorAll('.plot text')].map(text => text.textContent)")
    assert any(label.startswith("<b>x</b><script>") for label in labels)


def test_the_page_is_no_wider_than_the_window(opened):
    page, width = opened
    assert page.run("document.documentElement.scrollWidth") <= width


def test_a_reader_of_dark_pages_gets_one(browser, evil_report):
    grounds = []
    for dark in (False, True):
        browser.look(1000, dark)
        browser.open(evil_report)
        grounds.append(
            browser.run("getComputedStyle(document.body).backgroundColor + getComputedStyle(document.body).color")
        )
    assert grounds == ["rgb(255, 255, 255)rgb(27, 31, 36)", "rgb(20, 23, 27)rgb(230, 233, 236)"]


def test_the_browser_tells_of_errors_and_requests(browser, tmp_path):
    """Else the silence above would mean nothing."""
    path = tmp_path / "loud.html"
    path.write_text("<script>console.error('no'); nowhere()</script><img src='elsewhere.png'>")
    browser.open(path)
    assert len(browser.errors) >= 2
    assert [url.rpartition("/")[2] for url in browser.requests] == ["elsewhere.png"]
