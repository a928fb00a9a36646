"""Signatures: made and checked with `cryptography`, and one of them by OpenSSL's own key."""

import base64
import json
import shutil
import stat
import sys

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

import sensorium as sm
from sensorium.errors import ConfigError, DataError
from sensorium.export.container import contained
from sensorium.export.pack import MANIFEST, SIGNATURE, opened, pack, sign, unpack
from sensorium.export.signature import MADE_FOR, check_signature, make_keys, signature_of

# RFC 8410, section 10.3 and 10.1: a private key and its public one, as other programs write them.
PRIVATE = b"""-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
"""
PUBLIC = b"""-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """The folder of two pairs: me and other."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("me", "other"):
        make_keys(folder / f"{name}.pem", folder / f"{name}.pub")
    return folder


@pytest.fixture
def signed(packed, keys, tmp_path):
    file = tmp_path / "signed.sensorium"
    shutil.copy(packed, file)
    sign(file, keys / "me.pem")
    return file


def refused(path, key):
    with pytest.raises(DataError) as error:
        sm.load(path, key=key)
    return str(error.value).replace(str(path), "RUN")


def test_a_signed_run_is_loaded(rows, signed, packed, keys):
    assert sm.load(signed, key=keys / "me.pub").predict(rows).equals(sm.load(packed).predict(rows))
    assert sm.load(signed).predict(rows).equals(sm.load(packed).predict(rows))  # it need not be asked for


def test_keys_are_read_by_their_owner_alone(keys):
    assert stat.S_IMODE((keys / "me.pem").stat().st_mode) == 0o600
    assert (keys / "me.pem").read_bytes() != (keys / "other.pem").read_bytes()
    with pytest.raises(ConfigError, match=r"me.pem is there already. Take another name"):
        make_keys(keys / "me.pem", keys / "new.pub")


def test_the_signature_is_that_of_the_standard(tmp_path):
    """Checked by the library itself with keys from the RFC, over a known text."""
    (tmp_path / "rfc.pem").write_bytes(PRIVATE)
    (tmp_path / "rfc.pub").write_bytes(PUBLIC)
    made = signature_of(b"the manifest", tmp_path / "rfc.pem")
    key = serialization.load_pem_public_key(PUBLIC)
    key.verify(base64.b64decode(json.loads(made)["signature"]), MADE_FOR + b"the manifest")
    check_signature(b"the manifest", made, tmp_path / "rfc.pub", "it")


def test_what_is_not_signed_by_that_key_is_refused(signed, packed, small, keys, tmp_path):
    assert refused(packed, keys / "me.pub") == "RUN is not signed, and a signature is asked for."
    assert refused(small, keys / "me.pub") == "RUN is not signed, and a signature is asked for."
    message = refused(signed, keys / "other.pub")
    assert message == f"RUN is signed by another key than {keys / 'other.pub'}. It is not opened."
    with pytest.raises(DataError, match=r"is signed by another key"):
        unpack(signed, tmp_path / "new", key=keys / "other.pub")
    assert not (tmp_path / "new").exists()


def test_a_changed_run_with_the_old_signature_is_refused(signed, keys, small, tmp_path):
    """All checksums are made anew, as whoever has no key can."""
    with opened(signed) as folder:
        signature = (folder / SIGNATURE).read_bytes()
    copy = shutil.copytree(small, tmp_path / "run")
    (copy / "metrics.json").write_text("{}")
    pack(copy, tmp_path / "m.sensorium", card="# a card\n")
    unpack(tmp_path / "m.sensorium", tmp_path / "other")
    files = {p.relative_to(tmp_path / "other").as_posix(): p for p in (tmp_path / "other").rglob("*") if p.is_file()}
    (tmp_path / "forged.sensorium").write_bytes(b"".join(contained({**files, SIGNATURE: signature})))
    assert sm.load(tmp_path / "forged.sensorium").metrics == {}
    message = refused(tmp_path / "forged.sensorium", keys / "me.pub")
    assert message == "RUN has a signature that is not of these files. It is not opened."


@pytest.mark.parametrize(
    "content", [b"", b"[", b"[]", b"{}", b"1", b'{"key": "a", "signature": 1}', b'{"key": "a", "signature": "\xc3\xa9"}',
                b"[" * 100_000]
)  # fmt: skip
def test_a_signature_that_can_not_be_read(signed, keys, tmp_path, content):
    unpack(signed, tmp_path / "run")
    (tmp_path / "run" / SIGNATURE).write_bytes(content)
    message = "RUN is signed in a way that can't be read. It is not opened."
    assert refused(tmp_path / "run", keys / "me.pub") == message


def test_the_signature_goes_with_the_folder_and_back(signed, keys, tmp_path):
    unpack(signed, tmp_path / "run", key=keys / "me.pub")
    assert sm.load(tmp_path / "run", key=keys / "me.pub").coders
    pack(tmp_path / "run", tmp_path / "again.sensorium")
    assert (tmp_path / "again.sensorium").read_bytes() == signed.read_bytes()
    (tmp_path / "run" / "README.md").write_text("# scores 100 %\n")
    message = refused(tmp_path / "run", keys / "me.pub")
    assert message == f"RUN is not what its {MANIFEST} says: the checksum of 'README.md' differs."
    pack(tmp_path / "run", tmp_path / "changed.sensorium")
    assert (
        refused(tmp_path / "changed.sensorium", keys / "me.pub") == "RUN is not signed, and a signature is asked for."
    )


def test_a_folder_is_signed_as_well(small, keys, tmp_path):
    copy = shutil.copytree(small, tmp_path / "run")
    sign(copy, keys / "me.pem")
    assert sm.load(copy, key=keys / "me.pub").coders
    sign(copy, keys / "other.pem")
    assert "is signed by another key" in refused(copy, keys / "me.pub")


def test_keys_that_are_none(signed, keys, tmp_path):
    def written(name, content):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    secret = serialization.BestAvailableEncryption(b"password")
    pem, pkcs = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    locked = ed25519.Ed25519PrivateKey.generate().private_bytes(pem, pkcs, secret)
    curve = ec.generate_private_key(ec.SECP256R1())
    other = curve.private_bytes(pem, pkcs, serialization.NoEncryption())
    public = curve.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    for path, message in (
        (tmp_path / "none", "cannot read the key .*none: No such file or directory."),
        (written("text", b"hello"), "text is no private key in PEM without a password. Make one: sensorium keys NAME."),
        (written("locked", locked), "locked is no private key in PEM without a password."),
        (written("curve", other), "curve is no ed25519 key but of another kind."),
        (keys / "me.pub", "me.pub is no private key in PEM without a password."),
    ):
        with pytest.raises(ConfigError, match=message):
            sign(signed, path)
    for path, message in (
        (tmp_path / "none", "cannot read the key .*none: No such file or directory."),
        (written("text.pub", b""), "text.pub is no public key in PEM without a password."),
        (written("curve.pub", public), "curve.pub is no ed25519 key but of another kind."),
    ):
        with pytest.raises(ConfigError, match=message):
            sm.load(signed, key=path)


def test_without_the_library(signed, keys, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)
    message = r"^signing needs cryptography. Install it with: pip install 'sensorium\[sign\]'$"
    with pytest.raises(ConfigError, match=message):
        sm.load(signed, key=keys / "me.pub")
    assert sm.load(signed).coders
