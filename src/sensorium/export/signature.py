"""Who made a packed run: a signature of its manifest by ed25519, with keys in PEM files as OpenSSL writes them.

Checksums tell that a file is whole; they can be made anew by whoever changes it. A signature can't, without the private key.

Reference:
    Josefsson and Liusvaara 2017, Edwards-Curve Digital Signature Algorithm (RFC 8032). The library `cryptography` does it.
"""

import base64
import binascii
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from sensorium.data.table import write_atomically
from sensorium.errors import ConfigError, DataError, imported_for

__all__ = ["check_signature", "make_keys", "signature_of"]

MADE_FOR = b"sensorium archive manifest\n"  # before what is signed: a signature of anything else does not do


def make_keys(private: str | os.PathLike[str], public: str | os.PathLike[str]) -> None:
    """Write a new pair of keys, the private one readable by its owner alone.

    Raises:
        ConfigError: one of the files is there already, or cryptography is not installed.
    """
    serialization, ed25519 = _library()
    private, public = Path(private), Path(public)
    for path in (private, public):
        if path.exists():
            raise ConfigError(
                f"{path} is there already. Take another name; what a lost key signed can't be signed again."
            )
    key = ed25519.Ed25519PrivateKey.generate()
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_atomically(public, _public_pem(key.public_key()))
    try:
        with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secret)
    except OSError as error:
        raise DataError(f"cannot write {private}: {error.strerror}.") from error


def signature_of(manifest: bytes, private: Path) -> bytes:
    """The content of signature.json.

    Raises:
        ConfigError: the key can't be read, or cryptography is not installed.
    """
    key = _key(private, "private")
    made = {
        "key": _fingerprint(key.public_key()),
        "signature": base64.b64encode(key.sign(MADE_FOR + manifest)).decode(),
    }
    return (json.dumps(made, indent=1) + "\n").encode()


def check_signature(manifest: bytes, signed: bytes | None, public: Path, name: str) -> None:
    """Be sure that the manifest was signed by the owner of a key.

    Args:
        manifest: what was signed.
        signed: the content of signature.json; None: there is none.
        public: the file of the public key.
        name: of what is checked, for messages.

    Raises:
        ConfigError: the key can't be read, or cryptography is not installed.
        DataError: it is not signed, by another key, or for other files.
    """
    key = _key(public, "public")
    if signed is None:
        raise DataError(f"{name} is not signed, and a signature is asked for.")
    from cryptography.exceptions import InvalidSignature

    try:
        told = json.loads(signed)
        maker, signature = told["key"], base64.b64decode(told["signature"], validate=True)
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error) as error:
        raise DataError(f"{name} is signed in a way that can't be read. It is not opened.") from error
    if maker != _fingerprint(key):
        raise DataError(f"{name} is signed by another key than {public}. It is not opened.")
    try:
        key.verify(signature, MADE_FOR + manifest)
    except InvalidSignature as error:
        raise DataError(f"{name} has a signature that is not of these files. It is not opened.") from error


def _key(path: Path, kind: str) -> Any:
    serialization, ed25519 = _library()
    from cryptography.exceptions import UnsupportedAlgorithm

    cls = ed25519.Ed25519PrivateKey if kind == "private" else ed25519.Ed25519PublicKey
    try:
        content = path.read_bytes()
        if kind == "private":
            key = serialization.load_pem_private_key(content, None)
        else:
            key = serialization.load_pem_public_key(content)
    except OSError as error:
        raise ConfigError(f"cannot read the key {path}: {error.strerror}.") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it wants a password
        raise ConfigError(
            f"{path} is no {kind} key in PEM without a password. Make one: sensorium keys NAME."
        ) from error
    if not isinstance(key, cls):
        raise ConfigError(f"{path} is no ed25519 key but of another kind. Make one: sensorium keys NAME.")
    return key


def _fingerprint(key: Any) -> str:
    return hashlib.sha256(_public_pem(key)).hexdigest()


def _public_pem(key: Any) -> bytes:
    serialization, _ = _library()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _library() -> tuple[Any, Any]:
    with imported_for("signing", "cryptography", "sign"):
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    return serialization, ed25519
