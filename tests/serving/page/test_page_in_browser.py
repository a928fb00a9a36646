"""The page in a real browser: give, be answered, see why; by keyboard, on a phone, in two languages."""

import base64
import json
from pathlib import Path

import pandas as pd
import pytest
from chromium import browsing
from evil import fit_evil, write_evil

import sensorium as sm

FAKES = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)  # a camera that shows a clock, and beeps
READY = "!document.getElementById('given').hidden"
ANSWERED = "!document.getElementById('answer').hidden && document.getElementById('status').textContent"
EXPLAINED = "document.querySelectorAll('#explained .sx').length"
VISIBLE = "document.querySelector('main').innerText"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browsing(tmp_path_factory.mktemp("chromium"), *FAKES) as found:
        yield found


@pytest.fixture(scope="module")
def served(serve, run):
    with serve(run, page=True) as found:
        yield found


def show(browser, server, width: int = 1100, dark: bool = False, query: str = "?lang=en", ready: str = READY):
    """The page, opened."""
    browser.look(width, dark)
    browser.open(f"http://{server.host}:{server.port}/{query}")
    browser.wait(ready)
    return browser


def field(name: str) -> str:
    """A selector of what a field is given by."""
    order = ["photo", "call", "clip", "note", "pose", "age", "shop"]
    return f"#field-{order.index(name)}"


def click(browser, selector: str) -> None:
    browser.run(f"document.querySelector({json.dumps(selector)}).click()")


def write(browser, name: str, text: str) -> None:
    browser.run(f"document.querySelector({json.dumps(field(name))}).focus()")
    browser.ask("Input.insertText", text=text)


def ask(browser) -> None:
    click(browser, "#row .main")
    browser.wait(ANSWERED)
    browser.wait("/Answered|往返/.test(document.getElementById('status').textContent)")


def shares(browser) -> dict[str, float]:
    """The probabilities that are shown."""
    rows = "[...document.querySelectorAll('#answers tbody tr')].map(row => [...row.cells].map(cell => cell.innerText))"
    return {name.strip(): float(share.strip(" %")) / 100 for name, share in browser.run(rows)}


def assert_quiet(browser, server) -> None:
    """No complaint in the console, and nothing asked for but of the server."""
    assert browser.errors == []
    own = f"http://{server.host}:{server.port}/"
    assert [url for url in browser.requests if not url.startswith(own)] == []
    assert len(browser.requests) >= 3


@pytest.mark.parametrize(("width", "dark", "language"), [(1100, False, "en"), (390, True, "zh"), (390, False, "en")])
def test_give_be_answered_and_see_why(chromium, served, cells, table, width, dark, language):
    page, row = show(chromium, served, width, dark, f"?lang={language}"), cells[1]
    for name in ("photo", "call", "clip"):
        page.upload(field(name), table.parent / row[name])
        page.wait(
            f"document.querySelector({json.dumps(field(name))}).closest('.field').querySelectorAll('.files li').length"
        )
    for name in ("note", "pose", "age", "shop"):
        write(page, name, row[name])
    ask(page)
    media = {name: (table.parent / row[name]).read_bytes() for name in ("photo", "call", "clip")}
    values = {name: cell for name, cell in row.items() if name not in media}
    known = served.client.post("/predict", data=values, files=media).raise_for_status().json()["rows"][0]
    assert known["missing"] == []
    assert page.run("document.querySelector('.said').lastChild.textContent") == known["answers"]["label"]
    assert shares(page) == pytest.approx(known["probabilities"]["label"], abs=6e-4)  # shown to a tenth of a per cent
    assert next(iter(shares(page))) == known["answers"]["label"]
    assert page.run("document.getElementById('notes').textContent") == ""
    assert page.run("document.activeElement.id") == "title-answer"

    click(page, "#explain button")
    page.wait(EXPLAINED, 60)
    table_of = "[...document.querySelectorAll('#explained .sx > .sx-wide')][0].innerText"
    names = {"photo", "call", "clip", "clip_sound", "note", "pose", "columns"}
    assert all(name in page.run(table_of) for name in names)
    kinds = page.run("[...document.querySelectorAll('#explained figure.sxp')].map(one => one.classList[1])")
    assert kinds == [f"sxp-{kind}" for kind in ("image", "audio", "video", "audio", "text", "vector", "tabular")]
    assert page.run("document.querySelector('#explained h3').innerText.includes('" + known["answers"]["label"] + "')")
    title = page.run("document.getElementById('title-why').innerText")
    assert title == {"en": "Why", "zh": "原因"}[language]
    assert page.run("document.documentElement.scrollWidth") <= width
    media = "[...document.querySelectorAll('img')].every(one => one.complete && one.naturalWidth > 0)"
    assert page.wait(media)
    assert page.wait("[...document.querySelectorAll('.files audio, .files video')].every(one => one.duration > 0)")
    assert_quiet(page, served)


def test_an_example_of_the_run(chromium, served, run, table):
    page = show(chromium, served)
    numbers = page.run("[...document.querySelectorAll('#choices button')].map(one => one.innerText)")
    assert len(numbers) == 6
    offline = sm.load(run).answers(sm.data.table.read_table(table))
    for place in (0, 1):  # of both classes
        click(page, f"#choices button:nth-child({place + 1})")
        page.wait(f"document.querySelector('#choices button:nth-child({place + 1})').ariaPressed == 'true'")
        ask(page)
        known = offline.iloc[int(numbers[place].removeprefix("Row ")) - 1]
        assert shares(page) == pytest.approx({name: known[f"label_{name}"] for name in ("yes", "no")}, abs=6e-4)
        assert page.run("document.getElementById('truth').innerText").startswith("The table says: label = ")
    assert_quiet(page, served)


def test_by_keyboard_alone(chromium, served):
    page = show(chromium, served)
    page.run("document.querySelector('header a').focus()")
    reached = []
    for _ in range(60):
        page.press("Tab", 9)
        reached.append(page.run("document.activeElement.id || document.activeElement.innerText"))
        if reached[-1] == "field-3":
            break
    controls = page.run("[...document.querySelectorAll('#choices button')].map(one => one.innerText)")
    expected = [*controls, "field-0", "Take a picture", "field-1", "Record", "field-2", "Record", "field-3"]
    assert reached == expected
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.ask("Input.insertText", text="a fine bright day")
    page.press("Enter", 13, "\r", modifiers=2)
    page.wait(ANSWERED)
    assert page.run("document.activeElement.id") == "title-answer"
    assert "Missing inputs: photo, call, clip" in page.run(VISIBLE)
    page.press("Tab", 9)
    assert page.run("document.activeElement.id") == "class"
    page.press("Tab", 9)
    page.press("Enter", 13, "\r")
    page.wait(EXPLAINED, 60)
    assert_quiet(page, served)


def test_every_control_has_a_name(chromium, served):
    page = show(chromium, served)
    click(page, "#choices button")
    page.wait("document.querySelectorAll('.files li').length")
    page.ask("Accessibility.enable")
    nodes = page.ask("Accessibility.getFullAXTree")["nodes"]
    page.ask("Accessibility.disable")
    roles = ("button", "textbox", "combobox", "link", "Video", "Audio")
    named = {}
    for node in nodes:
        if node.get("role", {}).get("value") in roles[:4] and not node["ignored"]:
            named.setdefault(node["role"]["value"], []).append(node["name"]["value"])
    assert len(named["button"]) >= 15
    assert all(name.strip() for names in named.values() for name in names)
    assert {name.split(" ")[0] for name in named["textbox"]} >= {"note", "pose", "age"}


def test_dropped_files(chromium, served, cells, table):
    page = show(chromium, served)
    picture = base64.b64encode((table.parent / cells[1]["photo"]).read_bytes()).decode()
    dropped = f"""(() => {{
        const bytes = Uint8Array.from(atob("{picture}"), letter => letter.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], "one.png", {{type: "image/png"}}));
        data.items.add(new File([bytes], "two.png", {{type: "image/png"}}));
        const drop = document.querySelector(".drop");
        return drop.dispatchEvent(new DragEvent("drop", {{dataTransfer: data, bubbles: true, cancelable: true}}));
    }})()"""
    assert page.run(dropped) is False  # the browser itself is not to open it
    files = "[...document.querySelectorAll('.files li')].map(one => one.innerText.split('\\n')[0].trim())"
    assert [text.replace("Remove", "").strip() for text in page.run(files)] == ["one.png"]
    assert page.run("document.querySelector('.field .wrong').innerText") == ""
    ask(page)
    assert "photo" not in page.run("document.getElementById('notes').innerText")
    click(page, ".files li button")
    assert page.run("document.querySelectorAll('.files li').length") == 0
    assert page.run("document.activeElement.id") == "field-0"
    assert page.run("document.getElementById('status').innerText") == "The inputs have changed since this answer."
    assert_quiet(page, served)


def test_recorded_files(chromium, served):
    page = show(chromium, served)
    button = "document.querySelector('{}').closest('.field').querySelector('div > button')"
    for name, started in (("photo", "Take it"), ("call", "Stop"), ("clip", "Stop")):
        record = button.format(field(name))
        page.run(f"{record}.click()")
        page.wait(f"{record}.innerText == '{started}'")
        page.run("new Promise(done => setTimeout(done, 700))")
        page.run(f"{record}.click()")
        page.wait(f"{record}.closest('.field').querySelectorAll('.files li').length")
    ask(page)
    *cut, missing = page.run("[...document.querySelectorAll('#notes p')].map(one => one.innerText)")
    assert missing == "Missing inputs: note, pose, columns"
    assert all("is longer than" in note for note in cut)  # the model reads the beginning
    assert_quiet(page, served)


def test_what_is_wrong_is_told_beside_its_field(chromium, served):
    page = show(chromium, served)
    write(page, "age", "old")
    write(page, "pose", "1, 2")
    click(page, "#row .main")
    page.wait("document.querySelectorAll('[aria-invalid]').length == 2")
    told = "[...document.querySelectorAll('.wrong')].map(one => one.innerText).filter(text => text)"
    assert page.run(told) == ["must be a list of 3 finite numbers.", "must be a number that is finite."]
    assert page.run("document.getElementById('status').innerText").startswith("No answer: ")
    write(page, "age", "0")
    assert page.run(told) == ["must be a list of 3 finite numbers."]
    page.upload(field("photo"), Path(__file__))
    click(page, "#clear")
    assert page.run(told) == []
    page.upload(field("photo"), Path(__file__))
    ask(page)
    assert "photo: cannot be read as image" in page.run("document.getElementById('notes').innerText")


def test_a_busy_server_says_so(chromium, serve, run):
    with serve(run, page=True, queue=1, examples=0) as server:
        page = show(chromium, server)
        assert page.run("document.getElementById('examples').hidden") is True
        with server.app.state.admission.enter():
            click(page, "#row .main")
            page.wait("document.getElementById('status').innerText.startsWith('No answer')")
        assert page.run("document.getElementById('status').innerText") == (
            "No answer: The server is busy. Try again in 1 s."
        )
        ask(page)


def test_an_api_key(chromium, serve, run):
    with serve(run, page=True, api_key="a-key") as server:
        page = show(chromium, server, ready="!document.getElementById('key').hidden")
        assert page.run("document.activeElement.id") == "secret"
        for key, done in (("a-kez", "document.getElementById('status').innerText"), ("a-key", READY)):
            page.run("document.getElementById('secret').value = ''")
            page.ask("Input.insertText", text=key)
            page.press("Enter", 13, "\r")
            page.wait(done)
        ask(page)
        click(page, "#explain button")
        page.wait(EXPLAINED, 60)


def test_several_targets_and_several_files(chromium, serve, table, tmp_path):
    frame = pd.read_csv(table, dtype=str, keep_default_na=False)
    frame["photo"] = [f"{name}|{name}" if name else "" for name in frame["photo"]]
    frame.to_csv(tmp_path / "table.csv", index=False)
    config = {
        "inputs": {
            "photo": {"modality": "image", "size": 16, "encoder": {"type": "cnn", "channels": [4, 8]}},
            "note": {"modality": "text"},
        },
        "training": {"epochs": 1, "batch_size": 8, "precision": "32", "probes": False, "wide": False},
        "targets": {"label": {}, "price": {}, "tags": {"task": "multilabel"}},
    }
    targets = ["label", "price", "tags"]
    sm.fit(tmp_path / "table.csv", config=config, out=tmp_path / "run", media_root=table.parent)
    with serve(tmp_path / "run", page=True) as server:
        page = show(chromium, server)
        click(page, "#choices button")
        page.wait("document.getElementById('truth').innerText")
        page.upload("#field-0", table.parent / "p1.png", table.parent / "p2.png")
        page.wait("document.querySelectorAll('.files li').length == 2")
        ask(page)
        assert page.run("[...document.querySelectorAll('.said small')].map(one => one.innerText)") == targets
        assert page.run("document.querySelectorAll('#answers table').length") == 2  # a price has no classes
        assert page.run("document.getElementById('notes').innerText") == ""
        said = page.run("[...document.querySelectorAll('.said')].map(one => one.lastChild.textContent)")
        marked = page.run("[...document.querySelectorAll('#answers .first th')].map(one => one.innerText)")
        assert sorted(marked) == sorted([said[0], *said[2].split("|")])
        for target, classes in (("price", []), ("tags", ["the answer", "a", "b"])):
            page.run(f"document.getElementById('target').value = '{target}'")
            page.run("document.getElementById('target').dispatchEvent(new Event('change'))")
            offered = "document.getElementById('class').checkVisibility() ? [...document.getElementById('class').options] : []"
            assert page.run(f"({offered}).map(one => one.innerText)") == classes
            click(page, "#explain button")
            page.wait(
                f"(document.querySelector('#explained h3') || document.body).innerText.includes('· {target} ·')", 60
            )
        assert_quiet(page, server)


def test_what_a_table_holds_stays_text(chromium, serve, tmp_path):
    table = write_evil(tmp_path)
    with serve(fit_evil(table, tmp_path / "run"), page=True) as server:
        page = show(chromium, server)
        click(page, "#choices button")
        page.wait("document.getElementById('truth').innerText")
        ask(page)
        click(page, "#explain button")
        page.wait(EXPLAINED, 60)
        assert page.run("typeof window.evil") == "undefined"
        assert page.run("[...document.querySelectorAll('b')].filter(bold => bold.innerText == 'x').length") == 0
        assert page.run("document.querySelectorAll('[onerror], [onmouseover], img[src=x]').length") == 0
        assert page.run(VISIBLE).count("<b>x</b><script>window.evil = 1</script>") >= 4
        assert page.run("document.querySelector('#explained').innerText").count("<b>x</b>") >= 2
        assert_quiet(page, server)


def test_scripts_and_addresses_of_elsewhere_are_kept_out(chromium, served):
    """What the silence above rests on: would something ask, the browser would not let it."""
    page = show(chromium, served)
    page.run("document.body.append(Object.assign(document.createElement('script'), {text: 'window.within = 1'}))")
    page.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.within = 2\">')")
    elsewhere = "http://127.0.0.2:9/"
    assert page.run(f"fetch('{elsewhere}').then(() => 'sent', error => error.name)") == "TypeError"
    assert page.run("typeof window.within") == "undefined"
    blocked = [error for error in page.errors if "Content Security Policy" in error]
    assert len(blocked) >= 3
    assert any(elsewhere in error for error in blocked)
