"""A run's parts with shapes and operations."""

from sensorium.predictor import load
from sensorium.report.parts import parts_with_costs


def test_shapes_of_a_run(run):
    predictor = load(run)
    parts = parts_with_costs(predictor)
    plain = predictor.parts()
    for part, before in zip(parts, plain, strict=True):
        assert {key: part[key] for key in ("part", "kind", "layer", "parameters")} == {
            key: before[key] for key in ("part", "kind", "layer", "parameters")
        }
    by_name = {part["part"]: part for part in parts if part["kind"] != "single"}
    text = predictor.readers["note"].max_tokens
    assert by_name["photo"]["input"] == "(B, 3, 16, 16)"
    assert by_name["photo"]["output"] == "(B, 16, 32)"  # of 4 x 4 places
    assert by_name["clip"]["input"] == "(B, 4, 3, 16, 16)"
    assert by_name["note"]["input"] == f"(B, {text})"
    assert by_name["note"]["output"] == f"(B, {text}, 32)"
    assert (by_name["pose"]["input"], by_name["pose"]["output"]) == ("(B, 3)", "(B, 1, 32)")
    assert by_name["columns"]["input"] == "(B, 2)"
    assert (by_name["fusion"]["input"], by_name["fusion"]["output"]) == ("", "(B, 32)")
    assert (by_name["label"]["input"], by_name["label"]["output"]) == ("(B, 32)", "(B,)")
    assert by_name["label"]["flops"] == 2 * 32
