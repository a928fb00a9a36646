import pytest
from cryptography import x509

from sensorium.errors import ConfigError
from sensorium.federated.certificates import Credentials, make_certificates


def test_keys_are_their_owners_and_what_is_there_stays(tmp_path):
    written = make_certificates(tmp_path, ["fl.example.org", "10.0.0.7"], ["north"])
    assert {path.name for path in written} == {
        "authority.key", "authority.pem", "server.key", "server.pem", "north.key", "north.pem",
    }  # fmt: skip
    assert all(path.stat().st_mode & 0o077 == 0 for path in written if path.suffix == ".key")
    again = make_certificates(tmp_path, ["fl.example.org"], ["north", "south"])
    assert {path.name for path in again} == {"south.key", "south.pem"}
    root, south = (x509.load_pem_x509_certificate((tmp_path / f"{n}.pem").read_bytes()) for n in ("authority", "south"))
    south.verify_directly_issued_by(root)
    use = south.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [x._name for x in use] == ["clientAuth"]  # none can pose as the server
    assert Credentials(tmp_path, "south").authority == (tmp_path / "authority.pem").read_bytes()


@pytest.mark.parametrize("name", ["", "a/b", "server", "authority", "x" * 65])
def test_names_that_are_none(tmp_path, name):
    with pytest.raises(ConfigError, match="a site's name must be up to 64 letters without a slash"):
        make_certificates(tmp_path, [], [name])


def test_files_that_are_missing_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read .*authority.pem: No such file .* --insecure does without"):
        Credentials(tmp_path, "north")
