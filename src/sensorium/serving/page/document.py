"""The page as HTML, before its script has asked what the run reads."""

import json

from sensorium.pictures.markup import Html, tag
from sensorium.serving.page.words import TAGS, words_of

__all__ = ["document"]


def document(language: str) -> str:
    """The page in a language, en or zh. Addresses in it are relative, so that it may lie below any path."""
    words = words_of(language)
    other = words["other.tag"]
    # A block of data, which no browser runs; "</" would end it.
    data = Html(json.dumps(words, ensure_ascii=False).replace("</", "<\\/"))
    head = tag(
        "head",
        Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'),
        tag("title", "sensorium"),
        Html('<link rel="icon" href="data:,"><link rel="stylesheet" href="page/page.css">'),
        tag("script", data, type="application/json", id="words"),
        Html('<script type="module" src="page/page.js"></script>'),
    )
    top = tag(
        "header",
        tag("h1", "sensorium"),
        tag("span", id="run"),
        tag("a", words["other"], href=f"?lang={other}", lang=TAGS[other], hreflang=TAGS[other]),
    )
    key = tag(
        "form",
        tag("label", words["key"], Html('<input id="secret" type="password" autocomplete="off" required>')),
        tag("p", words["key.how"], class_="note"),
        tag("button", words["key.open"], type="submit"),
        id="key",
        hidden="",
    )
    given = tag(
        "section",
        tag(
            "div",
            _title("examples", words),
            tag("p", words["examples.how"], class_="note"),
            tag("div", id="choices", role="group", aria_labelledby="title-examples"),
            tag("p", id="truth", class_="note"),
            id="examples",
            hidden="",
        ),
        _title("inputs", words),
        tag(
            "form",
            tag("div", id="fields"),
            tag(
                "div",
                tag("button", words["ask"], type="submit", class_="main"),
                tag("button", words["clear"], type="button", id="clear"),
                class_="bar",
            ),
            id="row",
        ),
        id="given",
        hidden="",
    )
    said = tag(
        "section",
        tag("p", id="status", role="status"),
        tag(
            "div",
            _title("answer", words, tabindex="-1"),
            tag("div", id="answers"),
            tag("div", id="notes"),
            id="answer",
            hidden="",
        ),
        tag(
            "div",
            _title("why", words),
            tag("p", words["why.how"], class_="note"),
            tag(
                "form",
                tag("label", words["why.target"], tag("select", id="target")),
                tag("label", words["why.class"], tag("select", id="class")),
                tag("button", words["why.ask"], type="submit"),
                id="explain",
                class_="bar",
            ),
            tag("p", id="explaining", role="status"),
            tag("div", id="explained"),
            id="why",
            hidden="",
        ),
        id="said",
    )
    main = tag("main", key, tag("div", given, said, id="sides"))
    lead, silent = tag("p", words["lead"], class_="note"), tag("noscript", tag("p", words["no_script"]))
    return f'<!doctype html><html lang="{TAGS[language]}">{head}{tag("body", top, lead, silent, main)}</html>'


def _title(name: str, words: dict[str, str], **attributes: str) -> Html:
    return tag("h2", words[name], id=f"title-{name}", **attributes)
