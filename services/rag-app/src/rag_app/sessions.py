"""Authentication: the signed session cookie, the API token and the login rate limiter."""

import hashlib
import hmac
import ipaddress
import secrets
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from itsdangerous import BadSignature, URLSafeTimedSerializer

from rag_app.ended import EndedSessions
from rag_app.settings import AppSettings

SESSION_COOKIE = "ragdock_session"
FORM_COOKIE = "ragdock_form"


def same(given: str, expected: str) -> bool:
    """Compare in constant time; hashing also hides the length."""
    return hmac.compare_digest(
        hashlib.sha256(given.encode()).digest(), hashlib.sha256(expected.encode()).digest()
    )


def either(given: str, expected: str) -> bool:
    """Compare with each of the values: while a secret is rotated there are two, one per line."""
    # Compare all of them, so that the time reveals nothing.
    matches = [same(given, one) for one in expected.split()]
    return any(matches)


@dataclass
class Sessions:
    """Issues and checks sessions; a session ends by logout, age, or a changed password."""

    settings: AppSettings
    _ended: EndedSessions = field(init=False)

    def __post_init__(self) -> None:
        self._ended = EndedSessions(self.settings.ledger_path)

    @property
    def seconds(self) -> int:
        """How long a session lives."""
        return int(self.settings.session_hours * 3600)

    def check_password(self, user: str, password: str) -> bool:
        """Whether user and password match the deployment's."""
        known = same(user, self.settings.app_user)
        right = either(password, self.settings.app_password.get_secret_value())
        return known and right

    def check_token(self, token: str) -> bool:
        """Whether this is the API token."""
        return either(token, self.settings.api_token.get_secret_value())

    def issue(self) -> str:
        """Create the cookie value of a new session."""
        return self._signer("session").dumps(
            {"user": self.settings.app_user, "id": secrets.token_urlsafe(12)}
        )

    def user_of(self, cookie: str | None) -> str | None:
        """The user of a session cookie, or None if it is no longer valid."""
        session = self.session_of(cookie)
        return None if session is None else session["user"]

    def session_of(self, cookie: str | None) -> dict[str, str] | None:
        """The session's user and id, or None if it is no longer valid."""
        session = self._read(cookie)
        return None if session is None or session["id"] in self._ended else session

    def end(self, cookie: str | None) -> None:
        """Invalidate a session, even for a client that kept its cookie, and across restarts."""
        session = self._read(cookie)
        if session is not None:
            self._ended.add(session["id"], self.seconds)

    def form_nonce(self) -> str:
        """A random value for the login form's cookie."""
        return secrets.token_urlsafe(18)

    def form_token(self, nonce: str) -> str:
        """What the login form must send back with the cookie that contains `nonce`."""
        return hmac.new(self._key("form"), nonce.encode(), hashlib.sha256).hexdigest()

    def _read(self, cookie: str | None) -> dict[str, str] | None:
        if not cookie:
            return None
        try:
            session: dict[str, str] = self._signer("session").loads(cookie, max_age=self.seconds)
        except BadSignature:
            return None
        return session

    def _signer(self, purpose: str) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self._key(purpose))

    def _key(self, purpose: str) -> bytes:
        # The password is part of the key: changing it ends every session.
        # Use the first value of each: sessions stay valid while a rotation runs, and end when it does.
        material = f"{purpose}:{self.settings.app_password.get_secret_value().split()[0]}"
        secret = self.settings.session_key.get_secret_value().split()[0].encode()
        return hmac.new(secret, material.encode(), hashlib.sha256).digest()


@dataclass
class LoginRateLimiter:
    """Counts failed logins for each client; after too many in the window, the client must wait.

    While very many attempts fail in total, each client may fail once in the window instead of `failures`
    times. A client without failures never waits: guessing from many addresses does not lock the owner out.
    """

    failures: int = 5
    window_seconds: float = 300.0
    clients: int = 10_000
    """How many clients are remembered; the least recently seen is dropped first."""
    everywhere: int = 100
    """Failures of all clients in the window after which each client has one try."""
    _all: deque[float] = field(default_factory=deque, init=False)
    _failed: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict, init=False)

    def wait(self, client: str) -> int:
        """Seconds until this client may try again; 0 when it may now."""
        times = self._recent(client)
        if len(times) < self._allowed():
            return 0
        return max(1, round(times[0] + self.window_seconds - time.monotonic()))

    def failed(self, client: str) -> None:
        """Record a failed login."""
        times = self._recent(client)
        times.append(time.monotonic())
        self._all.append(times[-1])
        if len(self._all) > self.everywhere:
            self._all.popleft()
        self._failed[_network(client)] = times
        self._failed.move_to_end(_network(client))
        if len(self._failed) > self.clients:
            self._failed.popitem(last=False)

    def succeeded(self, client: str) -> None:
        """Forget the failures of a client that knows the password."""
        self._failed.pop(_network(client), None)

    def _allowed(self) -> int:
        """How many failures a client may have; only the last `everywhere` of all clients are kept."""
        many = len(self._all) >= self.everywhere and self._all[0] >= time.monotonic() - self.window_seconds
        return 1 if many else self.failures

    def _recent(self, client: str) -> deque[float]:
        times = self._failed.get(_network(client), deque())
        while times and times[0] < time.monotonic() - self.window_seconds:
            times.popleft()
        return times


def _network(client: str) -> str:
    """The /64 network of an IPv6 address: one customer owns all of it. Others are returned unchanged."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network(f"{address}/64", strict=False))
    return client
