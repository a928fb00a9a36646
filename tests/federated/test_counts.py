import json

from sensorium.data.table import read_table
from sensorium.data.text import learn_tokenizer, pieces_of
from sensorium.federated.counts import counts_of
from sensorium.planning import plan

TEXTS = [
    "the cat sat on the mat, it's a cat",
    "another cat was here today",
    "a mat for the dog, he said",
    "中文 字典 too",
]


def test_a_vocabulary_of_counted_pieces_is_that_of_the_texts():
    pieces = sorted(piece for text in TEXTS * 3 for piece in pieces_of(text))
    assert learn_tokenizer(pieces, 400, pieces=True).to_str() == learn_tokenizer(TEXTS * 3, 400).to_str()


def test_what_few_rows_have_is_not_told():
    rows = 30
    table = read_table(
        {
            "note": [f"{TEXTS[i % 3]} {'of Zebedee' if i == 4 else 'again'} number" for i in range(rows)],
            "town": ["Xanadu" if i == 7 else "north" if i % 2 else "south" for i in range(rows)],
            "label": ["yes" if i % 2 else "no" for i in range(rows)],
        }
    )
    config, schema = plan(table, "label", {"inputs": {"note": {"modality": "text"}, "columns": {"columns": ["town"]}}})
    told = counts_of(table, config, schema, least=5)
    assert "zebedee" not in json.dumps(told).lower()
    assert "Xanadu" not in json.dumps(told)
    assert told["inputs"]["columns"]["categories"]["town"] == {"north": 14, "south": 15}
    assert told["inputs"]["note"]["words"][" cat"] == 30  # twice in one text, once in another, never in the third
    assert told["targets"]["label"]["classes"] == {"no": 15, "yes": 15}
    assert "zebedee" in json.dumps(counts_of(table, config, schema, least=1))
