"""``stopgap service``: setting up, migrating, users and keys from the command line."""

import json
import stat
from importlib import util
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from stopgap.engine.service.identity import Identity, NotAuthenticatedError, Tokens, parsed_authorization, read_secret
from stopgap.engine.service.storage import Accounts, Database
from stopgap.engine.service.storage import _schema as schema

pytest_plugins = ("service_databases",)


def answer(run: Run, *arguments: object) -> Any:
    ended = run("service", *arguments, "--json")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def signed_in(url: str, secret: Path, made: dict[str, str]) -> frozenset[str]:
    """Return the permissions of whoever signs in with a key that a command has made."""
    database = Database.open(url)
    try:
        identity = Identity(Accounts(database), Tokens(read_secret(secret)))
        token = identity.sign_in(made["organization"], made["user"], made["key_id"], made["key"])
        return frozenset(identity.principal(parsed_authorization(f"Bearer {token.text}")).permissions)
    finally:
        database.close()


def test_set_up(run: Run, url: str, tmp_path: Path) -> None:
    """One command makes the schema, an organization, a user, a key and the secret; the key lets its user in."""
    secret = tmp_path / "secret"
    made = answer(run, "init", "--database", url, "--organization", "acme_1", "--secret", secret)
    assert set(made) == {"secret_file", "organization", "user", "key_id", "key"}
    assert (made["secret_file"], made["organization"]) == (str(secret), "acme_1")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert "Conversation:InteractWithConversation" in signed_in(url, secret, made)
    again = run("service", "init", "--database", url, "--secret", secret)
    assert again.code == 2
    assert "is set up already, for acme_1" in again.err
    assert "stopgap service user add" in again.err


def test_set_up_in_the_working_directory(run: Run, tmp_path: Path) -> None:
    """By default all of it lies where the command is run, its owner's alone; the key is shown once."""
    ended = run("service", "init")
    assert ended.code == 0
    assert "shown only now" in ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stopgap-service.db", "stopgap-service.db.secret"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    key = ended.out.split()[-1]
    for command in (["key", "list"], ["user", "list"]):
        listed = run("service", *command)
        assert listed.code == 0
        assert key not in listed.out + listed.err
    assert key.encode() not in (tmp_path / "stopgap-service.db").read_bytes()


@pytest.mark.parametrize("new_url", ["postgresql"], indirect=True)
def test_set_up_of_a_server(run: Run, url: str, tmp_path: Path) -> None:
    """The secret alone lies in the working directory, where `stopgap serve` looks for it."""
    assert run("service", "init", "--database", url).code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["stopgap-service.secret"]
    assert stat.S_IMODE(Path("stopgap-service.secret").stat().st_mode) == 0o600


def test_users_and_keys(run: Run, url: str, tmp_path: Path) -> None:
    """Users with chosen permissions, in new organizations too; keys that are added, revoked and listed."""
    at = ("--database", url)
    secret = tmp_path / "secret"
    first = answer(run, "init", *at, "--secret", secret)
    some = ("--permission", "Conversation:CreateConversation", "--permission", "Metric:GetMetric")
    made = answer(run, "user", "add", *at, "--organization", "acme", "--new-organization", *some)
    assert signed_in(url, secret, made) == {"Conversation:CreateConversation", "Metric:GetMetric"}
    more = answer(run, "key", "add", made["user"], *at, "--organization", "acme")
    assert signed_in(url, secret, more) == signed_in(url, secret, made)
    assert run("service", "key", "revoke", made["key_id"], *at, "--organization", "acme").code == 0
    with pytest.raises(NotAuthenticatedError):
        signed_in(url, secret, made)
    keys = answer(run, "key", "list", *at, "--organization", "acme")
    assert [(key["key_id"], key["revoked_at"] is None) for key in keys] == [
        (made["key_id"], False),
        (more["key_id"], True),
    ]
    assert all("key" not in key and "hash" not in key for key in keys)
    assert run("service", "user", "disable", made["user"], *at, "--organization", "acme").code == 0
    with pytest.raises(NotAuthenticatedError):
        signed_in(url, secret, more)
    (user,) = answer(run, "user", "list", *at, "--organization", "acme")
    assert user["disabled_at"] is not None
    assert signed_in(url, secret, first)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["key", "list"], "does not exist; `stopgap service init` makes it"),
        (["migrate"], "does not exist; `stopgap service init` makes a new one"),
        (["init", "--organization", "a b"], "write 1 to 64 letters, digits, _ or -"),
        (["init", "--database", "mysql://x"], "mysql is not supported"),
        (["init", "--database", "sqlite:///no/such/folder.db"], "cannot be used as a database"),
        (["init", "--database", "postgresql://me:hunter2@127.0.0.1:1/x"], "me:***@127.0.0.1:1/x does not answer"),
        (["init", "--secret", "no/such/folder"], "cannot be written"),
    ],
)
def test_wrong_usage(run: Run, tmp_path: Path, arguments: list[str], says: str) -> None:
    """One sentence that says what to do instead, and no traceback."""
    ended = run("service", *arguments)
    assert ended.code == 2
    assert says in ended.err
    assert ended.err.count("\n") == 1


def test_wrong_names(run: Run, url: str) -> None:
    """Organizations, users, keys and permissions that there are not."""
    run("service", "init", "--database", url)
    for arguments, says in [
        (["user", "add", "--organization", "acme"], "there is no organization acme"),
        (["user", "add", "--new-organization"], "organization default exists already"),
        (["user", "add", "--permission", "x"], "there is no permission 'x'"),
        (["user", "disable", "x"], "there is no such user"),
        (["key", "add", "00" * 12], "there is no user"),
        (["key", "revoke", "00" * 12], "there is no key"),
    ]:
        ended = run("service", *arguments, "--database", url)
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert says in ended.err


def test_a_set_up_that_failed_can_be_repeated(run: Run, url: str) -> None:
    """What stopped halfway, before there was an organization, is no second run."""
    assert run("service", "init", "--database", url, "--secret", "no/such/folder").code == 2
    assert run("service", "init", "--database", url).code == 0


def test_migrate(run: Run, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says from which version to which; commands say when it is needed."""
    at = ("--database", url)
    run("service", "init", *at)
    assert answer(run, "migrate", *at) == {"before": schema.newest(), "after": schema.newest()}
    assert "nothing to do" in run("service", "migrate", *at).out
    monkeypatch.setattr(schema, "newest", lambda: "9999")
    ended = run("service", "key", "list", *at)
    assert ended.code == 2
    assert "run `stopgap service migrate`" in ended.err


def test_the_database_may_be_named_by_the_environment(run: Run, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a password need not be among the arguments, which every user of the machine can see."""
    monkeypatch.setenv("STOPGAP_SERVICE_DATABASE", url)
    assert run("service", "init").code == 0
    assert len(answer(run, "user", "list")) == 1
    assert not Path("stopgap-service.db").exists()


def test_without_the_extra(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence says what to install."""
    found = util.find_spec

    def without(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name in ("sqlalchemy", "argon2") else found(name, package)

    monkeypatch.setattr("stopgap.cli._extras.find_spec", without)
    for arguments in (["init"], ["migrate"], ["key", "list"]):
        ended = run("service", *arguments)
        assert ended.code == 2
        assert ended.err == "stopgap: the service needs sqlalchemy, argon2: pip install 'stopgap[service]'\n"
