"""Who is asking: keys, tokens, credentials and permissions; and how often they may ask."""

import base64
import json
import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_helpers import Service
from stopgap.engine.service.identity import (
    Credentials,
    ForbiddenError,
    Identity,
    IssuedKey,
    KeyChecker,
    NotAuthenticatedError,
    Permission,
    Principal,
    Tokens,
    create_secret,
    issue_key,
    new_key,
    parsed_authorization,
    parsed_permissions,
    read_secret,
    secret_file,
)
from stopgap.engine.service.identity import _keys as keys_module
from stopgap.engine.service.storage import NotFoundError, new_id
from stopgap.fillers import ConfigError, UsageError

pytest_plugins = ("service_databases",)

SECRET = b"0123456789abcdef0123456789abcdef"
USER = "0a" * 12


@pytest.fixture(scope="session")
def keys() -> KeyChecker:
    return KeyChecker()


# Credentials ---------------------------------------------------------------------------------------------------

ORGANIZATIONS = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
USERS = st.from_regex(r"[0-9a-f]{24}", fullmatch=True)
TOKENS = st.text(min_size=1, max_size=200).filter(lambda token: not any("\ud800" <= c <= "\udfff" for c in token))


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@given(organization=ORGANIZATIONS, user=USERS, token=TOKENS)
def test_basic_credentials_come_apart_as_they_were_put_together(organization: str, user: str, token: str) -> None:
    """Whatever organization, with any number of underscores, and whatever token, with any number of colons."""
    assert parsed_authorization(basic(f"{organization}_{user}:{token}")) == Credentials(token, organization, user)


@given(header=st.text(max_size=300))
def test_any_header_is_credentials_or_refused(header: str) -> None:
    """No text raises anything but the one error."""
    for text in (header, f"Basic {header}", basic(header.encode("utf-8", "replace").decode()), f"Bearer {header}"):
        with suppress(NotAuthenticatedError):
            assert parsed_authorization(text).token


@pytest.mark.parametrize(
    "header",
    [
        None, "", "Bearer", "Bearer ", "Digest x", "Basic", "Basic !!!", "Basic /w==", basic("x"), basic("x:y"),
        basic(f"org{USER}:t"), basic(f"_{USER}:t"), basic(f"org_{USER[1:]}:t"), basic(f"org_{USER.upper()}:t"),
        basic(f"org_{USER}:"), basic(f"o rg_{USER}:t"), basic(f"{'o' * 65}_{USER}:t"), "Bearer " + "x" * 9000,
        basic(f"org_{USER}\n:t"),
    ],
)  # fmt: skip
def test_credentials_that_are_none(header: str | None) -> None:
    """Anything but the two forms is refused in one sentence."""
    with pytest.raises(NotAuthenticatedError):
        parsed_authorization(header)


@pytest.mark.parametrize("header", ["Bearer abc", "bearer abc", "BEARER  abc ", " Bearer abc"])
def test_bearer_credentials(header: str) -> None:
    """The scheme's case does not matter; the token is hidden in what is printed."""
    found = parsed_authorization(header)
    assert found == Credentials("abc")
    assert "abc" not in repr(found)


# Keys ----------------------------------------------------------------------------------------------------------


def test_keys_cannot_be_guessed(keys: KeyChecker) -> None:
    """32 random bytes, URL-safe; hashed with argon2, never the same twice."""
    made = {new_key() for _ in range(100)}
    assert len(made) == 100
    assert all(len(base64.urlsafe_b64decode(key + "=")) == 32 for key in made)
    key = made.pop()
    one, two = keys.hash(key), keys.hash(key)
    assert one != two
    assert one.startswith("$argon2id$")
    assert key not in one
    assert keys.check(key, one)
    assert keys.check(key, two)
    assert not keys.check(made.pop(), one)


@pytest.mark.parametrize("key", ["", "x" * 129, "x" * 100_000, "\x00", "\ud800", "ключ"])
def test_any_text_may_be_sent_as_a_key(keys: KeyChecker, key: str) -> None:
    """It is no key, and no riddle."""
    assert not keys.check(key, keys.hash(new_key()))
    assert not keys.check(key, None)
    assert not keys.check(key, "no hash at all")


def test_a_longer_key_with_the_same_beginning_is_another(keys: KeyChecker) -> None:
    """Only so much of a key is hashed, but the rest is not ignored."""
    long = "x" * keys_module.MOST_KEY
    assert keys.check(long, keys.hash(long))
    assert not keys.check(long + "y", keys.hash(long))


class Counting:
    """A hasher that notes what it is asked to verify, and does it as the real one."""

    def __init__(self) -> None:
        self.verified: list[str] = []
        self._real = keys_module._HASHER

    def verify(self, stored: str, key: bytes) -> bool:
        self.verified.append(stored)
        return self._real.verify(stored, key)


def test_unknown_keys_take_the_same_work(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """One hash with the same parameters, whether the key is wrong, revoked, another user's or not there at all."""
    keys = KeyChecker()
    identity = Identity(service.accounts, Tokens(SECRET), keys)
    good, revoked = (issue_key(service.accounts, keys, "org_1", service.user.id) for _ in range(2))
    service.accounts.revoke_key("org_1", revoked.id)
    counting = Counting()
    monkeypatch.setattr(keys_module, "_HASHER", counting)
    attempts = [
        ("org_1", service.user.id, good.id, "wrong"),
        ("org_1", service.user.id, revoked.id, revoked.key),
        ("org_1", service.user.id, new_id(), good.key),
        ("org_1", new_id(), good.id, good.key),
        ("org_2", service.user.id, good.id, good.key),
        ("", "", "", ""),
        ("'; --", "\ud800", "\x00", "x" * 10_000),
    ]
    said = set()
    for organization, user, id, key in attempts:
        before = len(counting.verified)
        with pytest.raises(NotAuthenticatedError) as refused:
            identity.sign_in(organization, user, id, key)
        said.add(str(refused.value))
        assert len(counting.verified) == before + 1
    assert len(said) == 1
    parameters = {stored.rsplit("$", 2)[0] for stored in counting.verified}
    assert len(parameters) == 1
    assert identity.sign_in("org_1", service.user.id, good.id, good.key).expires_at > time.time() + 3500.0


def test_an_issued_key_is_hidden(service: Service, keys: KeyChecker) -> None:
    """What is printed of it does not hold the key; a user who is not there, or disabled, gets none."""
    issued: IssuedKey = issue_key(service.accounts, keys, "org_1", service.user.id)
    assert issued.key not in repr(issued)
    with pytest.raises(NotFoundError):
        issue_key(service.accounts, keys, "org_1", new_id())
    service.accounts.disable_user("org_1", service.user.id)
    with pytest.raises(NotFoundError):
        issue_key(service.accounts, keys, "org_1", service.user.id)


# Tokens --------------------------------------------------------------------------------------------------------


def test_a_token_says_who(keys: KeyChecker) -> None:
    """For as long as it is valid, an hour by default; it is hidden in what is printed, as is the secret."""
    tokens = Tokens(SECRET)
    token = tokens.issue("org_1", USER)
    claims = tokens.check(token.text)
    assert (claims.organization, claims.user, claims.expires_at) == ("org_1", USER, token.expires_at)
    assert 3590.0 < token.expires_at - time.time() <= 3600.0
    assert token.text not in repr(token)
    assert SECRET.decode() not in repr(tokens)


def forged(claims: dict[str, Any], key: str | bytes = SECRET, algorithm: str = "HS256") -> str:
    now = int(time.time())
    whole = {
        "iss": "stopgap", "aud": "stopgap-service", "sub": USER, "org": "org_1", "iat": now, "exp": now + 60, **claims
    }  # fmt: skip
    return jwt.encode({name: value for name, value in whole.items() if value is not None}, key, algorithm=algorithm)


def test_the_forger_can_write_a_good_one() -> None:
    """What the next test changes is all that is wrong with its tokens."""
    assert Tokens(SECRET).check(forged({})).user == USER


def unsigned() -> str:
    def part(data: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")

    body = jwt.decode(forged({}), options={"verify_signature": False})
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(body)}."


@pytest.mark.parametrize(
    "make",
    [
        lambda: forged({}, key=b"f" * 32),
        lambda: forged({}, algorithm="HS512", key=SECRET * 2),
        lambda: forged({"aud": "another-service"}),
        lambda: forged({"iss": "somebody"}),
        lambda: forged({"exp": int(time.time()) - 60}),
        lambda: forged({"iat": int(time.time()) + 600}),
        lambda: forged({"exp": None}),
        lambda: forged({"iat": None}),
        lambda: forged({"org": None}),
        lambda: forged({"sub": None}),
        lambda: forged({"aud": None}),
        lambda: forged({"org": "a b"}),
        lambda: forged({"org": ["org_1"]}),
        lambda: forged({"sub": "somebody"}),
        lambda: forged({})[:-2],
        lambda: forged({}) + "x" * 5000,
        lambda: "x.y.z",
        lambda: "\x00\ud800",
        lambda: "",
        lambda: base64.urlsafe_b64encode(b"[" * 2900).decode() + ".e30.x",
        unsigned,
    ],
)
def test_tokens_that_are_not_valid(make: Any) -> None:
    """Signed with another secret or algorithm or not at all, for another service, out of date, incomplete, cut."""
    with pytest.raises(NotAuthenticatedError):
        Tokens(SECRET).check(make())


def test_an_old_token_says_so() -> None:
    """The one thing that a caller can put right is named."""
    tokens = Tokens(SECRET, lifetime_s=60.0)
    with pytest.raises(NotAuthenticatedError, match="has expired; sign in again"):
        tokens.check(tokens.issue("org_1", USER, now=time.time() - 100.0).text)


def test_settings_of_tokens() -> None:
    """A short secret, or a token for ever, is refused before anything is signed."""
    with pytest.raises(ConfigError, match="at least 32 bytes, this one has 31"):
        Tokens(SECRET[:31])
    for lifetime_s in (0.0, 86_401.0, float("nan")):
        with pytest.raises(UsageError, match="lifetime_s"):
            Tokens(SECRET, lifetime_s=lifetime_s)


def test_the_secret_is_its_owners_alone(tmp_path: Path) -> None:
    """Beside the database, mode 0600 whatever the umask, never overwritten; others able to read it is an error."""
    path = secret_file(tmp_path / "service.db")
    assert path == tmp_path / "service.db.secret"
    old = os.umask(0)
    try:
        create_secret(path)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret = read_secret(path)
    assert len(secret) >= 32
    create_secret(path)
    assert read_secret(path) == secret
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="run `chmod 600"):
        read_secret(path)
    path.chmod(0o600)
    path.write_text("short")
    with pytest.raises(ConfigError, match="at least 32 bytes"):
        read_secret(path)
    path.write_bytes(b"x" * 5000)
    with pytest.raises(ConfigError, match="larger than 4096 bytes"):
        read_secret(path)
    with pytest.raises(ConfigError, match="stopgap service init"):
        read_secret(tmp_path / "none")
    with pytest.raises(UsageError, match="cannot be written"):
        create_secret(tmp_path / "no" / "such")
    assert secret_file(None) == Path("stopgap-service.secret")


# Principals ----------------------------------------------------------------------------------------------------


def test_from_key_to_principal(service: Service, keys: KeyChecker) -> None:
    """Sign in with a key, send the token either way, and be known with the permissions that are stored."""
    identity = Identity(service.accounts, Tokens(SECRET), keys)
    issued = issue_key(service.accounts, keys, "org_1", service.user.id)
    token = identity.sign_in("org_1", service.user.id, issued.id, issued.key).text
    assert [key.last_used_at for key in service.accounts.keys("org_1")] == [service.hands.at]
    expected = Principal("org_1", service.user.id, frozenset({Permission.CREATE_CONVERSATION}))
    for header in (f"Bearer {token}", basic(f"org_1_{service.user.id}:{token}")):
        credentials = parsed_authorization(header)
        assert identity.principal(credentials) == expected
        assert identity.principal(credentials, issued_by="org_1") == expected
        with pytest.raises(NotAuthenticatedError, match="another organization"):
            identity.principal(credentials, issued_by="org_2")
    for name in (f"org_1_{new_id()}", f"org_2_{service.user.id}"):
        with pytest.raises(NotAuthenticatedError, match="another user"):
            identity.principal(parsed_authorization(basic(f"{name}:{token}")))
    service.accounts.disable_user("org_1", service.user.id)
    with pytest.raises(NotAuthenticatedError, match="does not exist any more"):
        identity.principal(parsed_authorization(f"Bearer {token}"))
    with pytest.raises(NotAuthenticatedError):
        identity.sign_in("org_1", service.user.id, issued.id, issued.key)


def test_permissions() -> None:
    """Of the own organization only, and only those that were given."""
    principal = Principal("org_1", USER, parsed_permissions(["Conversation:CreateConversation"]))
    principal.require(Permission.CREATE_CONVERSATION, "org_1")
    for permission, organization in [
        (Permission.CREATE_CONVERSATION, "org_2"),
        (Permission.INTERACT_WITH_CONVERSATION, "org_1"),
    ]:
        assert not principal.may(permission, organization)
        with pytest.raises(ForbiddenError, match=f"missing permission {permission} in {organization}"):
            principal.require(permission, organization)
    with pytest.raises(UsageError, match="there is no permission 'Conversation:Everything'"):
        parsed_permissions(["Conversation:Everything"])


def test_permissions_of_another_version_are_left_alone(service: Service, keys: KeyChecker) -> None:
    """A stored permission that this version does not know grants nothing, and is no error."""
    user = service.accounts.add_user("org_1", ["Metric:GetMetric", "Future:Permission"])
    tokens = Tokens(SECRET)
    identity = Identity(service.accounts, tokens, keys)
    found = identity.principal(Credentials(tokens.issue("org_1", user.id).text))
    assert found.permissions == {Permission.GET_METRIC}
