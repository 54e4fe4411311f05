"""Keys and certificates: who a PC is, and that its cluster says so."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from homecluster.agent.safe_json import BadMessageError
from homecluster.errors import MissingError
from homecluster.store.files import write_private

_FROM = datetime(2020, 1, 1, tzinfo=UTC)
_UNTIL = datetime(2049, 12, 31, tzinfo=UTC)
"""Wide, because a PC whose clock is years off must still get in; who is a member is the pins' business."""
_CURVE = ec.SECP256R1


def make_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """A new P-256 key, kept in `path` for this user alone."""
    key = ec.generate_private_key(_CURVE())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_private(path, pem)
    return key


def read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key in `path`.

    Raises:
        MissingError: it is not there or damaged.
    """
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise MissingError(f"cannot read the key {path}: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise MissingError(f"{path} is not a key that homecluster made")
    return key


def own_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """This PC's key: the same for life, made at the first need."""
    return read_key(path) if path.exists() else make_key(path)


def key_sha256(key: ec.EllipticCurvePublicKey) -> str:
    """The pin of a key: SHA-256 of its SubjectPublicKeyInfo, hex."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()


def make_cluster_certificate(key: ec.EllipticCurvePrivateKey, cluster_id: str) -> bytes:
    """The cluster's own certificate, PEM: it signs members' certificates and nothing else."""
    name = _name(f"homecluster {cluster_id}")
    builder = (
        _builder(key.public_key(), subject=name, issuer=name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def make_request(key: ec.EllipticCurvePrivateKey) -> bytes:
    """What a joiner sends, PEM: its public key, with the proof that it holds the private one."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name("joiner"))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def key_of_request(pem: str) -> ec.EllipticCurvePublicKey:
    """The key that the sender of a request holds.

    Raises:
        BadMessageError: the request is malformed, its proof is wrong, or its key is of another kind.
    """
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        is_valid = request.is_signature_valid
        key = request.public_key()
    except (ValueError, TypeError, InvalidSignature, NotImplementedError) as error:
        raise BadMessageError("not a certificate request") from error
    except Exception as error:
        # What cryptography raises for odd keys and algorithms has no base class of its own.
        if type(error).__module__.startswith("cryptography"):
            raise BadMessageError("not a certificate request") from error
        raise
    if not is_valid or not isinstance(key, ec.EllipticCurvePublicKey):
        raise BadMessageError("the request does not prove a P-256 key")
    if not isinstance(key.curve, _CURVE):
        raise BadMessageError("the request does not prove a P-256 key")
    return key


def certify(
    cluster_key: ec.EllipticCurvePrivateKey,
    cluster_certificate: bytes,
    key: ec.EllipticCurvePublicKey,
    *,
    cluster_id: str,
    node: str,
    is_coordinator: bool,
) -> bytes:
    """The certificate of a member, PEM; only the coordinator's lets it act as a server."""
    issuer = x509.load_pem_x509_certificate(cluster_certificate).subject
    kind = "coordinator" if is_coordinator else "member"
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if is_coordinator:
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
    uri = x509.UniformResourceIdentifier(f"homecluster://{cluster_id}/{kind}/{node}")
    builder = (
        _builder(key, subject=_name(node), issuer=issuer)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName([uri]), critical=False)
    )
    return builder.sign(cluster_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def key_sha256_of_certificate(content: bytes) -> str:
    """The pin of the key in a certificate, DER or PEM.

    Raises:
        BadMessageError: it is no certificate of a P-256 key.
    """
    try:
        is_pem = content.startswith(b"-----")
        certificate = (
            x509.load_pem_x509_certificate(content)
            if is_pem
            else x509.load_der_x509_certificate(content)
        )
        key = certificate.public_key()
    except (ValueError, TypeError) as error:
        raise BadMessageError("not a certificate") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise BadMessageError("not the certificate of a P-256 key")
    return key_sha256(key)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _builder(
    key: ec.EllipticCurvePublicKey, *, subject: x509.Name, issuer: x509.Name
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
