"""The container: read by other zip programs, and refused in any other spelling."""

import io
import struct
import warnings
import zipfile

import pytest

from sensorium.errors import DataError
from sensorium.export import container
from sensorium.export.container import contained, read_entries

FILES = {"a.json": b"{}", "b/1.json": b"[1, 2]", "empty.csv": b"", "weights.bin": bytes(range(256)) * 9}


def limit(name: str) -> int | None:
    return 5000 if name in FILES else None


def read(content: bytes, most=limit) -> dict[str, bytes]:
    file = io.BytesIO(content)
    entries = read_entries(file, len(content), "m.sensorium", most)
    return {name: content[entry.begin : entry.end] for name, entry in entries.items()}


def refused(content: bytes, most=limit) -> str:
    with pytest.raises(DataError) as error:
        read(content, most)
    return str(error.value)


def zipped(files, **options) -> bytes:
    """As Python's zipfile writes it."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a name twice
        for name, content in files:
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            archive.writestr(info, content, **options)
    return target.getvalue()


def test_other_programs_read_it():
    content = b"".join(contained(FILES))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == FILES
        for info in archive.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert info.external_attr >> 16 == 0o100644
    assert read(content) == FILES


def test_the_same_files_give_the_same_bytes(tmp_path):
    on_disk = {}
    for place, (name, content) in enumerate(reversed(FILES.items())):
        on_disk[name] = tmp_path / str(place)
        on_disk[name].write_bytes(content)
    assert b"".join(contained(on_disk)) == b"".join(contained(FILES))


def test_files_beyond_four_gigabytes(monkeypatch):
    """As if a field of 32 bits held less: the numbers are then in those of 64, which zipfile reads as well."""
    monkeypatch.setattr(container, "MOST", 100)
    content = b"".join(contained({**FILES, "z.csv": b"after it"}))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == {**FILES, "z.csv": b"after it"}
    assert content.count(b"PK\x06\x06") == 1
    assert read(content, lambda name: 5000) == {**FILES, "z.csv": b"after it"}


def test_an_archive_cut_anywhere_is_refused():
    content = b"".join(contained(FILES))
    for size in range(len(content)):
        message = refused(content[:size])
        assert "ends early" in message or "does not begin as one" in message


def test_what_is_no_archive():
    assert refused(b"") == "m.sensorium is no archive of sensorium: it does not begin as one."
    assert refused(b"\x80\x04\x95" + bytes(50)).endswith("it does not begin as one.")
    assert refused(b"MZ" + b"".join(contained(FILES))).endswith("it does not begin as one.")  # as zip allows
    assert refused(b"".join(contained({}))).endswith("it does not begin as one.")


@pytest.mark.parametrize(
    "name",
    ["../a.json", "/etc/passwd", "b/../../a.json", "C:\\a.json", "b\\1.json", "a.json/", "archive/data.pkl", "A.JSON",
     "a.json\x00.txt", "ä.json", "x" * 101, "x" * 60_000, "\x1b[31m"],
)  # fmt: skip
def test_names_that_no_archive_has(name):
    shown = refused(b"".join(_any_name(name)))
    assert "which no archive of sensorium has. It is not opened." in shown
    assert "\x1b" not in shown
    assert len(shown) < 400


def _any_name(name: str):
    """A container of one file, of any name."""
    spelt = name.encode()
    yield container.LOCAL.pack(b"PK\x03\x04", 20, 0, 0, 0, container.DATE, 0, 0, 0, len(spelt), 0) + spelt


def test_two_files_of_one_name():
    one = b"".join(contained({"a.json": b"good"}))
    first = one[: one.index(b"PK\x01\x02")]
    assert refused(first + first) == "m.sensorium holds two files 'a.json'. It is not opened."


def test_another_order():
    local = {name: b"".join(contained({name: content})) for name, content in FILES.items()}
    swapped = b"".join(local[name][: local[name].index(b"PK\x01\x02")] for name in ("b/1.json", "a.json"))
    assert "what stands before 'a.json' is not as sensorium writes it" in refused(swapped)


def test_the_directory_is_that_of_the_files():
    """A directory that names other files, places or sizes, by which two programs would read two things."""
    content = b"".join(contained(FILES))
    place = content.index(b"PK\x01\x02")
    other = b"".join(contained({**FILES, "a.json": b"[]"}))
    for changed in (
        content[:place] + other[other.index(b"PK\x01\x02") :],
        content[:place] + content[place:].replace(b"a.json", b"c.json"),
        content + b"\n",
        content[:-2] + struct.pack("<H", 5) + b"hello",
        content[:place] + b"hidden" + content[place:],
    ):
        assert "what stands after 'weights.bin' is not as sensorium writes it. It is not opened." in refused(changed)


def test_zips_of_other_programs_are_refused():
    """Compressed files (so no bombs), links, comments, other times: there is one spelling."""
    link = zipfile.ZipInfo("a.json", (1980, 1, 1, 0, 0, 0))
    link.create_system, link.external_attr = 3, 0o120777 << 16
    plain = zipfile.ZipInfo("a.json", (1980, 1, 1, 0, 0, 0))
    plain.create_system, plain.external_attr = 3, 0o100644 << 16
    assert read(zipped([(plain, b"{}")])) == {"a.json": b"{}"}  # zipfile can be made to spell it so
    bomb = zipped([(plain, bytes(10**7))], compress_type=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 20_000
    plain.compress_type = zipfile.ZIP_STORED
    late = zipfile.ZipInfo("a.json", (2026, 1, 1, 0, 0, 0))
    for content in (bomb, zipped([(link, b"/etc/passwd")]), zipped([(late, b"{}")])):
        assert "m.sensorium was changed since it was written" in refused(content)


def test_sizes_and_counts_are_limited():
    content = b"".join(contained({"weights.bin": bytes(5001)}))
    assert (
        refused(content)
        == "m.sensorium holds a 'weights.bin' of 5,001 bytes; at most 5,000 are read. It is not opened."
    )
    many = b"".join(contained({f"{place:04}": b"" for place in range(1001)}))
    assert refused(many, lambda name: 1) == "m.sensorium holds more than 1000 files. It is not opened."
    # A size that the file has not: nothing of it is read or set aside.
    false = container.Entry("weights.bin", 4000, 0, 0)
    assert "ends early, within 'weights.bin'" in refused(container._local(false))
