"""Certificates made when a test needs them: two certificate authorities, servers' and clients' of the first one."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = datetime.timedelta(days=1)
_NOW = datetime.datetime.now(datetime.UTC)
_PEM = serialization.Encoding.PEM
_SERVER, _CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
_KEY_USAGES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
               "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")  # fmt: skip


def make(folder: Path) -> Path:
    """For 127.0.0.1, each with its .key: ca other-ca server renewed client and, to be refused: expired stranger (of the
    other CA) revoked nameless twonames. ca.pem has the list of what is revoked. encrypted.key: the server's."""
    folder.mkdir(exist_ok=True)
    ca, other = _Authority(folder, "ca"), _Authority(folder, "other-ca")
    key = ca.issue("server", _SERVER)
    ca.issue("renewed", _SERVER)
    ca.issue("client", _CLIENT, dns="Mill-7.Example")
    ca.issue("expired", _CLIENT, ends=_NOW - _DAY)
    other.issue("stranger", _CLIENT)
    ca.issue("revoked", _CLIENT)
    ca.issue("nameless", _CLIENT, names=("mill 7/\xe9\u2028\n",))
    ca.issue("twonames", _CLIENT, names=("one", "two"))
    ca.publish()
    _write_key(folder / "encrypted.key", key, serialization.BestAvailableEncryption(b"password"))
    return folder


class _Authority:
    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._file = folder / f"{name}.pem"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        made = (
            self._begin(self._name, self._key.public_key(), _NOW + _DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(self._identifier, critical=False)
            .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        )
        self._pem = made.sign(self._key, hashes.SHA256()).public_bytes(_PEM)
        self._file.write_bytes(self._pem)
        self._revoked: list[x509.RevokedCertificate] = []

    def _begin(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, ends: datetime.datetime
    ) -> x509.CertificateBuilder:
        # CPython 3.13 asks for all that RFC 5280 does.
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(_NOW - 2 * _DAY)
            .not_valid_after(ends)
        )

    def issue(
        self,
        name: str,
        purpose: x509.ObjectIdentifier,
        *,
        names: tuple[str, ...] = (),
        dns: str = "",
        ends: datetime.datetime = _NOW + _DAY,
    ) -> ec.EllipticCurvePrivateKey:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text) for text in names or (name,)])
        others: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        if dns:
            others.append(x509.DNSName(dns))
        made = (
            self._begin(subject, key.public_key(), ends)
            .add_extension(x509.SubjectAlternativeName(others), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._identifier), critical=False
            )
            .add_extension(_usage("digital_signature"), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        (self._folder / f"{name}.pem").write_bytes(made.public_bytes(_PEM))
        _write_key(self._folder / f"{name}.key", key, serialization.NoEncryption())
        if name == "revoked":
            entry = x509.RevokedCertificateBuilder().serial_number(made.serial_number).revocation_date(_NOW)
            self._revoked.append(entry.build())
        return key

    def publish(self) -> None:
        """The list of revoked certificates, into the CA's file."""
        made = x509.CertificateRevocationListBuilder().issuer_name(self._name).last_update(_NOW - _DAY)
        made = made.next_update(_NOW + _DAY)
        for entry in self._revoked:
            made = made.add_revoked_certificate(entry)
        made = made.add_extension(x509.CRLNumber(1), critical=False).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._identifier), critical=False
        )
        self._file.write_bytes(self._pem + made.sign(self._key, hashes.SHA256()).public_bytes(_PEM))


def _usage(*names: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in names for name in _KEY_USAGES})


def _write_key(
    file: Path, key: ec.EllipticCurvePrivateKey, encryption: serialization.KeySerializationEncryption
) -> None:
    file.write_bytes(key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, encryption))
    file.chmod(0o600)
