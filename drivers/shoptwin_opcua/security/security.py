"""The opening of a session as the settings want it secured: never weaker, and with nobody whom nobody has accepted."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from asyncua import ua
from asyncua.crypto import security_policies
from asyncua.ua.uaerrors import UaStatusCodeError

from shoptwin.sdk import AuthFailed, NotConnected
from shoptwin_opcua.errors import DISTRUST, DISTRUST_USER, NOT_OFFERED, NotTrusted, code_name, logging_in
from shoptwin_opcua.security import certificates, endpoints
from shoptwin_opcua.security.identity import Identity
from shoptwin_opcua.security.trust import check_pinned, check_trusted, refuses_us, refuses_user
from shoptwin_opcua.settings import full_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from asyncua.client.client import Client
    from cryptography import x509

    from shoptwin_opcua.security.pki import Pki
    from shoptwin_opcua.settings import Settings

_POLICIES: dict[str, Any] = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128Sha256RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256Sha256RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}
_NO_DISCOVERY = frozenset({"BadSecurityPolicyRejected", "BadSecurityModeRejected", "BadServiceUnsupported"})
_LOGINS = {
    ua.UserTokenType.Anonymous: "anonymous",
    ua.UserTokenType.UserName: "user and password_file",
    ua.UserTokenType.Certificate: "user_certificate",
}


@dataclass(repr=False)
class Security:
    """How one connection is secured; made anew for each, since files may have changed."""

    settings: Settings
    pki: Pki | None
    url: str = ""
    expires: dict[str, int] = field(default_factory=dict)
    """When the certificates in use end to be valid, ns UTC: `gateway`, `server`, `user`."""
    _ours: Identity | None = None
    _theirs: x509.Certificate | None = None
    _user: Identity | None = None
    _password: str = ""
    _said: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.url = full_url(self.settings.url)

    async def prepare(self, client: Client) -> None:
        """Read the secrets, ask the server what it offers and who it is, and make the client sign and encrypt.

        Raises:
            AuthFailed: a file of the settings cannot be used. NotTrusted: nobody has accepted the server's certificate.
            NotConnected: the server does not offer this security, or a certificate is not valid now.
        """
        self._password = await asyncio.to_thread(password, self.settings)
        if self.settings.security == "none":
            return
        await asyncio.to_thread(self._read_files)
        theirs = self._theirs = await self._check_server()
        self.expires["server"] = certificates.last_ns(theirs)
        if self._ours is None:  # made now, if it has to be: a URL that leads nowhere makes none
            self._ours = await asyncio.to_thread(self._own)
        ours: Identity = self._ours
        client.application_uri = certificates.uri(ours.certificate)
        policy = _POLICIES[self.settings.security]
        client.security_policy = policy(theirs, ours.certificate, ours.key, endpoints.mode(self.settings))
        client.uaclient.set_security(client.security_policy)

    def _read_files(self) -> None:
        """Read the certificates and keys that the settings name; in a thread."""
        settings, now = self.settings, datetime.now(UTC)
        if settings.certificate:
            self._ours = _pair(settings.certificate, "certificate", settings.private_key, "private_key")
            self._check_ours(self._ours, "renew the certificate")
        elif self.pki is not None:
            self.pki.check_named()
        if settings.user_certificate:
            user = (settings.user_certificate, "user_certificate", settings.user_private_key, "user_private_key")
            self._user = _pair(*user)
            self.expires["user"] = certificates.last_ns(self._user.certificate)
            certificates.check_time(self._user.certificate, "the user's certificate", now)

    def _own(self) -> Identity:
        """Return who the gateway is; in a thread."""
        if self.pki is None:
            hint = "set certificate and private_key, or start the gateway with a state directory"
            raise AuthFailed("nobody has said where the gateway's certificate is kept", hint)
        ours = self.pki.own()
        self._check_ours(ours, "type: shoptwin trust renew")
        return ours

    def _check_ours(self, ours: Identity, cure: str) -> None:
        self.expires["gateway"] = certificates.last_ns(ours.certificate)
        certificates.check_time(ours.certificate, "the gateway's certificate", datetime.now(UTC), cure)
        if not certificates.uri(ours.certificate):
            hint = "make one whose SubjectAltName holds the application's URI, as OPC UA Part 6, 6.2.2 asks for"
            raise AuthFailed("the gateway's certificate names no application URI", hint)

    async def _check_server(self) -> x509.Certificate:
        """Return the server's certificate, once it is known to be the one that was accepted."""
        shown = await self._shown()
        settings = self.settings
        if settings.server_certificate:
            pinned = certificates.of_file(settings.server_certificate, "server_certificate")
            shown = pinned if shown is None else shown
            check_pinned(self.url, shown, pinned)
        elif self.pki is None:
            hint = "set server_certificate, or start the gateway with a state directory"
            raise AuthFailed("nobody has said where accepted certificates are kept", hint)
        elif shown is not None:
            await asyncio.to_thread(check_trusted, self.pki, self.url, shown)
        elif (shown := self.pki.trusted(self.url)) is None:
            hint = "get its certificate by hand, and name the file as server_certificate"
            raise NotTrusted(f"{self.url} shows its certificate to nobody who comes without security", hint)
        if why := certificates.weak(shown):
            raise NotConnected(f"the certificate of {self.url} {why}", "give the server a new one, RSA of 2048 bits")
        certificates.check_time(shown, f"the certificate of {self.url}", datetime.now(UTC), "renew it at the server")
        return shown

    async def _shown(self) -> x509.Certificate | None:
        """Ask for the certificate of the endpoint that is wanted; None where the server tells nobody."""
        try:
            found = await endpoints.ask_endpoints(self.url, self.settings.wait)
        except UaStatusCodeError as error:
            if code_name(error.code) in _NO_DISCOVERY:
                return None
            raise
        endpoint = endpoints.wanted(found, self.settings)
        if endpoint is None:
            raise self._not_offered(found)
        certificate = endpoints.certificate_of(self.url, endpoint)
        server = endpoint.Server
        self._said = (
            str(server.ApplicationUri or ""), str(server.ProductUri or ""), str(server.ApplicationName.Text or ""),
            certificate.subject.rfc4514_string(),
        )  # fmt: skip
        return certificate

    def _not_offered(self, found: Sequence[ua.EndpointDescription]) -> NotConnected:
        only = " with sign_only" if self.settings.sign_only else ""
        return NotConnected(
            f'{self.url} does not offer security = "{self.settings.security}"{only}: '
            f"it offers {endpoints.offered(found)}",
            endpoints.advice(found),
        )

    async def check_offer(self, error: UaStatusCodeError) -> None:
        """Where the server has refused the security by this error, say which it offers; it is asked for that.

        Raises:
            NotConnected: it does not offer this one. Else what asking raises.
        """
        if code_name(error.code) not in NOT_OFFERED:
            return
        found = await endpoints.ask_endpoints(self.url, self.settings.wait)
        if endpoints.wanted(found, self.settings) is None:
            raise self._not_offered(found) from error

    @contextmanager
    def refusals(self, hung_up: str = "") -> Iterator[None]:
        """Raise what a refusal to open channel or session means: mostly that the server does not accept us.

        `hung_up`: what it means that the server hangs up without a word; empty where that tells nothing.

        Raises:
            NotTrusted: the server does not accept the gateway's certificate. Else what came out of the block.
        """
        try:
            yield
        except UaStatusCodeError as error:
            if self._ours is None or (name := code_name(error.code)) not in DISTRUST:
                raise
            ours = (self._ours.certificate, self._ours.file)
            raise refuses_us(self.url, name, *ours, self._said, certain=True) from error
        except (AssertionError, ConnectionError) as error:
            if self._ours is None or not hung_up:
                raise
            ours = (self._ours.certificate, self._ours.file)
            raise refuses_us(self.url, hung_up, *ours, self._said, certain=False) from error

    async def login(self, client: Client, session: ua.CreateSessionResult) -> None:
        """Log in as the settings say.

        Raises:
            AuthFailed: the server takes no such login, or wants the password in plain text. NotTrusted: it does not
                accept user_certificate. Else what asyncua raises.
        """
        kind = ua.UserTokenType.Anonymous
        if self.settings.user_certificate:
            kind = ua.UserTokenType.Certificate
        elif self.settings.user:
            kind = ua.UserTokenType.UserName
        self._check_login(client, session, kind)
        if self._user is None:
            with logging_in(self.url):
                await client.activate_session(username=self.settings.user or None, password=self._password or None)
            return
        client.user_private_key = self._user.key
        try:
            await client.activate_session(certificate=self._user.certificate)
        except UaStatusCodeError as error:
            if (name := code_name(error.code)) not in DISTRUST | DISTRUST_USER:
                raise
            raise refuses_user(self.url, name, self._user.certificate) from error

    def _check_login(self, client: Client, session: ua.CreateSessionResult, kind: ua.UserTokenType) -> None:
        ours = endpoints.wanted(session.ServerEndpoints or [], self.settings)
        taken = [token.TokenType for token in ours.UserIdentityTokens or []] if ours is not None else []
        if taken and kind not in taken:
            others = ", ".join(dict.fromkeys(_LOGINS.get(each, each.name) for each in taken))
            hint = f"it takes: {others}; set that, or allow {_LOGINS[kind]} at the server"
            raise AuthFailed(f"{self.url} takes no login by {_LOGINS[kind]}", hint)
        if kind is not ua.UserTokenType.UserName or self.settings.allow_plain_password:
            return
        policy = client.server_policy(kind).SecurityPolicyUri
        in_plain = not policy or policy == security_policies.SecurityPolicyNone.URI
        if in_plain and endpoints.mode(self.settings) is not ua.MessageSecurityMode.SignAndEncrypt:
            hint = "leave sign_only out, let the server encrypt passwords, or say allow_plain_password = true"
            raise AuthFailed(f"{self.url} wants the password in plain text over a channel that is not encrypted", hint)

    def holds(self) -> bool:
        """Tell whether the server's certificate is still accepted; reads a file."""
        if self._theirs is None or self.settings.server_certificate or self.pki is None:
            return True
        try:
            return self.pki.trusted(self.url) == self._theirs
        except NotConnected:  # a disk that cannot be read has withdrawn nothing
            return True


def password(settings: Settings) -> str:
    """Return the password, without the line's end.

    Raises:
        AuthFailed: the file cannot be read.
    """
    if not settings.password_file:
        return ""
    try:
        return certificates.find(settings.password_file).read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        hint = "put the password, and nothing else, into the file that password_file names; the daemon must read it"
        raise AuthFailed(f"password_file cannot be read: {settings.password_file}: {why}", hint) from error


def _pair(certificate: str, setting: str, key: str, key_setting: str) -> Identity:
    found = certificates.of_file(certificate, setting)
    return Identity(found, certificates.key_of_file(key, key_setting, found), certificates.find(certificate))
