"""What a joiner's request must prove, and what the cluster's certificate allows."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from homecluster.agent.identity import (
    key_of_request,
    key_sha256,
    make_cluster_certificate,
    make_key,
    make_request,
)
from homecluster.agent.safe_json import BadMessageError


def test_a_request_gives_the_key_that_its_sender_holds(tmp_path: Path) -> None:
    key = make_key(tmp_path / "key")
    found = key_of_request(make_request(key).decode())
    assert key_sha256(found) == key_sha256(key.public_key())


def test_a_request_whose_proof_is_wrong_is_refused(tmp_path: Path) -> None:
    """Somebody else's key cannot be put in: the last byte belongs to the signature."""
    request = x509.load_pem_x509_csr(make_request(make_key(tmp_path / "key")))
    der = bytearray(request.public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    text = base64.encodebytes(der).decode()
    forged = f"-----BEGIN CERTIFICATE REQUEST-----\n{text}-----END CERTIFICATE REQUEST-----\n"

    with pytest.raises(BadMessageError, match="does not prove"):
        key_of_request(forged)


def test_the_cluster_s_certificate_makes_members_and_no_other_signer(tmp_path: Path) -> None:
    made = make_cluster_certificate(make_key(tmp_path / "key"), "c")
    extensions = x509.load_pem_x509_certificate(made).extensions

    basic = extensions.get_extension_for_class(x509.BasicConstraints)

    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)


def test_a_key_on_another_curve_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    with pytest.raises(BadMessageError, match="P-256"):
        key_of_request(request.decode())
