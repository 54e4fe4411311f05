"""TLS contexts: whom each end of a connection believes. TLS 1.3 only, no session tickets, no host names."""

from __future__ import annotations

import ssl

from homecluster.agent.folder import AgentFolder

_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME: a PC whose battery clock says 1970 gets in; the pins say who is a member."""


def listener_context(folder: AgentFolder) -> ssl.SSLContext:
    """The coordinator's: a certificate is asked for and must be the cluster's; without one a PC may only join."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    context.verify_flags |= _NO_CHECK_TIME
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(folder.cluster_certificate)
    context.load_cert_chain(folder.node_certificate, folder.node_key)
    return context


def member_context(folder: AgentFolder) -> ssl.SSLContext:
    """A member's: only who holds a coordinator's certificate of this cluster is talked to."""
    context = joiner_context(folder.cluster_certificate.read_text())
    context.load_cert_chain(folder.node_certificate, folder.node_key)
    return context


def joiner_context(cluster_certificate: str) -> ssl.SSLContext:
    """A joiner's, once the certificate was compared with the token's pin."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # homes have no names; the key is the identity
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= _NO_CHECK_TIME
    context.load_verify_locations(cadata=cluster_certificate)
    return context


def unchecked_context() -> ssl.SSLContext:
    """For the one question that carries no secret: who are you?"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
