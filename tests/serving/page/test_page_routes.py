"""The page's paths over HTTP."""

import subprocess
import sys

import pytest

from sensorium.serving.page.words import words_of


@pytest.fixture(scope="module")
def served(serve, run):
    with serve(run, page=True, api_key="a-key") as found:
        yield found


def test_there_is_no_page_unless_asked_for(server):
    for path in ("/", "/page/form", "/page/example?place=0", "/page/page.js"):
        assert server.client.get(path).status_code == 404


def test_the_page_lets_nothing_in_from_elsewhere(served):
    found = served.client.get("/").raise_for_status()
    policy = dict(part.split(" ", 1) for part in found.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert found.headers["x-content-type-options"] == "nosniff"
    for path in ("/", "/page/page.css", "/page/page.js"):
        text = served.client.get(path).raise_for_status().text
        assert not {"http://", "https://", "@import", "url("} & {
            word for word in ("http://", "https://", "@import", "url(") if word in text
        }


def test_languages(served):
    def title(query: str = "", **headers: str) -> str:
        return served.client.get(f"/{query}", headers=headers).raise_for_status().text.partition("<h2")[0]

    zh, en = '<html lang="zh-Hans">', '<html lang="en">'
    assert zh in title(**{"accept-language": "fr,zh-CN;q=0.9,en;q=0.8"})
    assert en in title(**{"accept-language": "en-GB,zh;q=0.5"})
    assert en in title(**{"accept-language": "fr"})
    assert zh in title("?lang=zh")
    assert words_of("zh")["lead"] in title("?lang=zh")
    assert served.client.get("/?lang=fr").status_code == 422


def test_what_tells_of_the_run_needs_the_key(served):
    for path in ("/page/form", "/page/example?place=0"):
        assert served.client.get(path).status_code == 401
        served.client.get(path, headers={"X-API-Key": "a-key"}).raise_for_status()


def test_form(served):
    told = served.client.get("/page/form", headers={"X-API-Key": "a-key"}).json()
    fields = {field["name"]: field for field in told["fields"]}
    assert {name: field["kind"] for name, field in fields.items()} == {
        "photo": "image", "call": "audio", "clip": "video", "note": "text", "pose": "vector", "age": "numeric",
        "shop": "categorical",
    }  # fmt: skip
    assert fields["shop"]["choices"] == ["north", "south", "west"]
    assert fields["pose"]["size"] == 3
    assert [field["files"] for field in fields.values()] == [1, 1, 1, 0, 0, 0, 0]
    assert told["targets"] == [{"name": "label", "classes": ["no", "yes"]}]
    assert {row["truth"]["label"] for row in told["examples"]} == {"yes", "no"}


def test_an_example_there_is_not(served):
    found = served.client.get("/page/example?place=99", headers={"X-API-Key": "a-key"})
    assert found.status_code == 404
    assert found.json()["error"] == "there is no such example."


def test_explanations_are_drawn_where_a_language_is_asked_for(server):
    for language, word in (("en", "adds"), ("zh", "贡献")):
        told = server.client.post(f"/explain?html={language}", json={"rows": [{"note": "a day"}]}).raise_for_status()
        html = told.json()["rows"][0]["html"]
        assert html.startswith('<section class="sx">')
        assert f"<th>{word}</th>" in html
    assert "html" not in server.client.post("/explain", json={"rows": [{"note": "a day"}]}).json()["rows"][0]
    assert server.client.post("/explain?html=fr", json={"rows": [{}]}).status_code == 422


def test_neither_training_nor_scikit_learn_is_loaded(run):
    code = (
        "import sys; from pathlib import Path; from starlette.testclient import TestClient\n"
        "from sensorium.serving.app import create_app; from sensorium.serving.options import Options\n"
        f"with TestClient(create_app(Path({str(run)!r}), Options(decoders=1, page=True))) as client:\n"
        "    assert client.get('/').status_code == 200\n"
        "    assert len(client.get('/page/form').json()['examples']) == 6\n"
        "print([name for name in ('lightning', 'sklearn', 'sensorium.training') if name in sys.modules])\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert found.stdout.strip() == "[]", found.stderr
