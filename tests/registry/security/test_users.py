"""Users with passwords: the file, its forms of passwords, and what happens when it changes."""

from __future__ import annotations

import asyncio
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_registry.main import main
from kopfka_registry.security import users as users_module
from kopfka_registry.security.passwords import hash_password, read_password
from kopfka_registry.security.users import BusyError, Users
from kopfka_runtime.errors import SettingsError

FILE = """\
# as Jetty's PropertyFileLoginModule has it
alice: secret,admin, developer
bob=b
 cl\\ eo : caf\u00e9 ,,
"""


def written(path, text):
    path.write_text(text, "utf-8")
    return path


async def test_lines_as_jetty_has_them(tmp_path):
    users = Users(written(tmp_path / "users", FILE))
    alice = await users.find("alice", "secret")
    assert (alice.name, alice.roles) == ("alice", {"admin", "developer"})
    assert (await users.find("bob", "b")).roles == frozenset()
    assert (await users.find("cl eo", "caf\u00e9")).roles == frozenset()
    for name, password in (("alice", "Secret"), ("alice", ""), ("alice", "secret,admin"), ("", ""), ("dora", "secret")):
        assert await users.find(name, password) is None


async def test_a_hashed_password(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("p\u00e4ss, word:\n"))
    assert main(["--hash-password"]) == 0
    form = capsys.readouterr().out.strip()
    assert form.startswith("SCRYPT:15:8:1:")
    assert "," not in form
    users = Users(written(tmp_path / "users", f"alice: {form},admin\nbob: b\n"))
    assert (await users.find("alice", "p\u00e4ss, word:")).roles == {"admin"}
    assert await users.find("alice", form) is None
    assert await users.find("alice", "") is None
    assert await users.find("nobody", "p\u00e4ss, word:") is None
    assert (await users.find("bob", "b")).name == "bob"
    assert hash_password("x") != hash_password("x")


def test_no_password_is_hashed(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(["--hash-password"]) == 1
    assert "no password" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("OBF:1v2j1uum1xtv1zej1zer1xtn1uvk1v1v", "OBF:"),
        ("MD5:5ebe2294ecd0e0f08eab7690d2a6ee69", "MD5:"),
        ("CRYPT:ad.9Rf5X1sIxc", "CRYPT:"),
        ("", "no password"),
        ("SCRYPT:15:8:1:AAAA", "malformed"),
        ("SCRYPT:x:8:1:AAAAAAAAAAAAAAAAAAAAAA==:AAAAAAAAAAAAAAAAAAAAAA==", "malformed"),
        ("SCRYPT:15:8:1:!!!!:AAAAAAAAAAAAAAAAAAAAAA==", "malformed"),
        ("SCRYPT:40:8:1:AAAAAAAAAAAAAAAAAAAAAA==:AAAAAAAAAAAAAAAAAAAAAA==", "too much"),
        ("SCRYPT:15:8:1:AAAA:AAAAAAAAAAAAAAAAAAAAAA==", "too short"),
    ],
)
def test_forms_that_are_refused_with_words_and_without_the_password(tmp_path, form, said):
    with pytest.raises(SettingsError, match=said) as refused:
        Users(written(tmp_path / "users", f"bob: b\nalice: {form},admin\n"))
    assert "user alice" in str(refused.value)
    assert len(form) < 12 or form[7:] not in str(refused.value)


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(SettingsError, match="No such file"):
        Users(tmp_path / "none")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="UTF-8"):
        Users(tmp_path / "binary")


async def test_another_file_is_taken_and_a_bad_one_is_not(tmp_path, caplog):
    path = written(tmp_path / "users", "alice: one\n")
    users = Users(path)
    users.refresh()
    assert users.generation == 0
    written(path, "bob: longer password\n")
    users.refresh()
    assert users.generation == 1
    assert await users.find("alice", "one") is None
    assert await users.find("bob", "longer password") is not None
    for bad in ("alice: MD5:x\n", None):
        if bad is None:
            path.unlink()
        else:
            written(path, bad)
        users.refresh()
        assert users.generation == 1
        assert await users.find("bob", "longer password") is not None
    assert "the users stay as they were" in caplog.text
    written(path, "cleo: c\n")
    users.refresh()
    assert await users.find("cleo", "c") is not None


async def test_only_so_many_slow_checks_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(users_module, "MOST_WAITING", 3)
    users = Users(written(tmp_path / "users", f"alice: {hash_password('a')}\nbob: b\n"))
    asked = [users.find(name, "wrong") for name in ("alice", "nobody", "alice", "nobody", "alice")]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(each) for each in found].count(BusyError) == 2
    assert [each for each in found if not isinstance(each, BusyError)] == [None] * 3
    # who has a plain one waits for nobody, and afterwards there is room again
    assert await users.find("bob", "b") is not None
    assert await users.find("alice", "a") is not None


@given(st.text(max_size=60))
def test_any_form_is_a_password_or_refused(text):
    try:
        password = read_password(text)
    except ValueError:
        return
    assert password.slow or password.fits(text)
