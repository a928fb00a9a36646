"""Certificates of a federation: one authority of its own, which signs the server's and every site's.

Both sides show theirs, and take only what that authority signed. A site's certificate says its name.
"""

import datetime
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sensorium.errors import ConfigError, DataError, imported_for

__all__ = ["Credentials", "make_certificates"]

AUTHORITY = "authority"
DAYS = 365
MOST_NAME = 64  # characters, by X.509


class Credentials:
    """The three files that a server or a site needs, read.

    Args:
        folder: where they are.
        name: of the server or the site: NAME.pem is its certificate, NAME.key its private key; authority.pem is beside.

    Raises:
        ConfigError: one of them is not there.
    """

    def __init__(self, folder: Path, name: str):
        try:
            self.authority = (folder / f"{AUTHORITY}.pem").read_bytes()
            self.certificate = (folder / f"{name}.pem").read_bytes()
            self.key = (folder / f"{name}.key").read_bytes()
        except OSError as error:
            raise ConfigError(
                f"cannot read {error.filename}: {error.strerror}. `sensorium federate keys {folder} --server HOST --site {name}` "
                "makes certificates; --insecure does without, for trials on one machine."
            ) from error

    def of_server(self) -> Any:
        import grpc

        return grpc.ssl_server_credentials([(self.key, self.certificate)], self.authority, require_client_auth=True)

    def of_site(self) -> Any:
        import grpc

        return grpc.ssl_channel_credentials(self.authority, self.key, self.certificate)


def make_certificates(folder: Path, hosts: Sequence[str], sites: Sequence[str]) -> list[Path]:
    """Make those certificates that are not there yet; private keys are readable by their owner alone.

    Args:
        folder: for all of them; each site is to be given its own two files and authority.pem.
        hosts: names or addresses that the server is reached at; none: no certificate for it.
        sites: their names.

    Returns:
        What was written.

    Raises:
        ConfigError: a name that can't be a file's, or cryptography is not installed.
        DataError: a file can't be written.
    """
    for site in sites:
        if not site or Path(site).name != site or len(site) > MOST_NAME or site in {AUTHORITY, "server"}:
            raise ConfigError(f"a site's name must be up to {MOST_NAME} letters without a slash, not '{site}'.")
    with imported_for("making certificates", "cryptography", "federated"):
        from cryptography import x509
    written: list[Path] = []
    key, root = _authority(folder, written)
    names = [
        x509.DNSName(host) if not _is_address(host) else x509.IPAddress(ipaddress.ip_address(host)) for host in hosts
    ]
    if hosts:
        _signed(folder, "server", key, root, x509.SubjectAlternativeName(names), written)
    for site in sites:
        _signed(folder, site, key, root, None, written)
    return written


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _builder(subject: str, issuer: str, public: Any) -> Any:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    def name(text: str) -> Any:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))  # clocks differ
        .not_valid_after(now + datetime.timedelta(days=DAYS))
    )


def _authority(folder: Path, written: list[Path]) -> tuple[Any, Any]:
    """The authority's key and certificate, made where there are none."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    secret, public = folder / f"{AUTHORITY}.key", folder / f"{AUTHORITY}.pem"
    if secret.exists() and public.exists():
        key = serialization.load_pem_private_key(secret.read_bytes(), None)
        return key, x509.load_pem_x509_certificate(public.read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    root = (
        _builder("sensorium federation", "sensorium federation", key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(folder, AUTHORITY, key, root, written)
    return key, root


def _signed(folder: Path, name: str, key: Any, root: Any, names: Any, written: list[Path]) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    if (folder / f"{name}.pem").exists():
        return
    own = ec.generate_private_key(ec.SECP256R1())
    # A site's certificate must not do for a server's: sites would trust it.
    use = ExtendedKeyUsageOID.SERVER_AUTH if names is not None else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        _builder(name, "sensorium federation", own.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    _write(folder, name, own, builder.sign(key, hashes.SHA256()), written)


def _write(folder: Path, name: str, key: Any, certificate: Any, written: list[Path]) -> None:
    from cryptography.hazmat.primitives import serialization

    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content, mode in (
            (folder / f"{name}.key", secret, 0o600),
            (folder / f"{name}.pem", certificate.public_bytes(serialization.Encoding.PEM), 0o644),
        ):
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(content)
            written.append(path)
    except OSError as error:
        raise DataError(f"cannot write {error.filename}: {error.strerror}.") from error
