"""The authorizer around the ACLs: super users, what is kept, what is remembered, the audit log."""

from __future__ import annotations

import logging

import pytest

from kopfka_broker.config.values import BrokerConfig
from kopfka_broker.context import RequestContext
from kopfka_broker.metadata_store import MetadataStore
from kopfka_broker.security.acls import Acl, PatternType, Permission
from kopfka_broker.security.authorizer import (
    STANDARD_AUTHORIZER,
    AllowAll,
    Operation,
    ResourceType,
    authorizer_from,
)
from kopfka_broker.security.principal import Principal
from kopfka_broker.security.standard_authorizer import java_address
from kopfka_broker.storage.errors import DataFolderError, KafkaStorageError
from kopfka_runtime.errors import SettingsError
from kopfka_wire.apis import ApiKey

TOPIC = ResourceType.TOPIC
READ = Acl(TOPIC, "t", PatternType.LITERAL, "User:alice", "*", Operation.READ, Permission.ALLOW)


def authorizer(folder, **settings):
    settings = {name.replace("_", "."): value for name, value in settings.items()}
    config = BrokerConfig({"authorizer.class.name": STANDARD_AUTHORIZER} | settings)
    made = authorizer_from(config, MetadataStore(folder))
    made.load()
    return made


def context(user="alice", host="1.2.3.4"):
    return RequestContext(ApiKey.FETCH, 12, "c", host, "SASL", Principal("User", user))


def test_without_a_name_everyone_may_do_everything(tmp_path):
    made = authorizer_from(BrokerConfig({}), MetadataStore(tmp_path))
    assert isinstance(made, AllowAll)
    assert made.allows(context(), Operation.READ, TOPIC, "t")
    assert made.allows_any(context(), Operation.WRITE, TOPIC)


@pytest.mark.parametrize(
    ("name", "says"),
    [("kafka.security.authorizer.AclAuthorizer", "ZooKeeper"), ("com.example.Mine", "cannot run Java classes")],
)
def test_other_authorizers_are_refused_with_what_to_write_instead(tmp_path, name, says):
    with pytest.raises(SettingsError, match=says) as refused:
        authorizer_from(BrokerConfig({"authorizer.class.name": name}), MetadataStore(tmp_path))
    assert STANDARD_AUTHORIZER in str(refused.value)


def test_super_users_may_do_everything(tmp_path):
    made = authorizer(tmp_path, super_users="User:admin; User:CN=x,O=y")
    made.add([READ._replace(principal="User:admin", permission=Permission.DENY)])
    for user in ("admin", "CN=x,O=y"):
        assert made.allows(context(user), Operation.READ, TOPIC, "t")
        assert made.allows_any(context(user), Operation.WRITE, TOPIC)
    assert not made.allows(context(), Operation.READ, TOPIC, "t")


def test_a_malformed_super_user_is_told(tmp_path):
    with pytest.raises(SettingsError, match=r"'admin' in super\.users"):
        authorizer(tmp_path, super_users="admin")


def test_everyone_may_where_no_acl_is_found_if_so_configured(tmp_path):
    made = authorizer(tmp_path, **{"allow.everyone.if.no.acl.found": "true"})
    made.add([READ])
    assert made.allows(context("bob"), Operation.READ, TOPIC, "other")
    assert not made.allows(context("bob"), Operation.READ, TOPIC, "t")


def test_changes_are_in_force_at_once_and_kept(tmp_path):
    made = authorizer(tmp_path)
    assert not made.allows(context(), Operation.READ, TOPIC, "t")
    assert not made.allows_any(context(), Operation.READ, TOPIC)
    made.add([READ, READ])
    for each in (made, authorizer(tmp_path)):
        assert each.allows(context(), Operation.READ, TOPIC, "t")
        assert each.allows(context(), Operation.DESCRIBE, TOPIC, "t")
        assert each.allows_any(context(), Operation.READ, TOPIC)
        assert list(each.acls) == [READ]
    made.remove([READ])
    assert not made.allows(context(), Operation.READ, TOPIC, "t")
    assert list(authorizer(tmp_path).acls) == []


def test_what_cannot_be_kept_is_not_in_force(tmp_path):
    made = authorizer(tmp_path)
    (tmp_path / "acls.json.tmp").mkdir()  # in the way of the temporary file
    with pytest.raises(KafkaStorageError):
        made.add([READ])
    assert not made.allows(context(), Operation.READ, TOPIC, "t")


@pytest.mark.parametrize(
    "rows", ["[[2]]", '[[2, 5, 3, "User:a", "*", 3, 3]]', '[[2, "t", 77, "User:a", "*", 3, 3]]', "7"]
)
def test_a_damaged_document_is_told(tmp_path, rows):
    (tmp_path / "acls.json").write_text(f'{{"version": 1, "data": {rows}}}')
    with pytest.raises(DataFolderError, match=r"acls\.json is damaged"):
        authorizer(tmp_path)


def test_denials_are_logged_in_kafkas_words(tmp_path, caplog):
    made = authorizer(tmp_path)
    deny = READ._replace(permission=Permission.DENY)
    made.add([deny])
    with caplog.at_level(logging.INFO, logger="kafka.authorizer.logger"):
        made.allows(context(), Operation.READ, TOPIC, "t")
        made.allows(context(), Operation.WRITE, TOPIC, "u")
        made.allows(context(), Operation.WRITE, TOPIC, "v", log_denied=False)
    assert caplog.messages == [
        "Principal = User:alice is Denied operation = READ from host = 1.2.3.4 on resource = Topic:LITERAL:t "
        "for request = Fetch with resourceRefCount = 1 based on rule MatchingAcl(acl=StandardAcl[resourceType=TOPIC, "
        "resourceName=t, patternType=LITERAL, principal=User:alice, host=*, operation=READ, permissionType=DENY])",
        "Principal = User:alice is Denied operation = WRITE from host = 1.2.3.4 on resource = Topic:LITERAL:u "
        "for request = Fetch with resourceRefCount = 1 based on rule DefaultDeny",
    ]


@pytest.mark.parametrize(
    ("host", "java"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("::1", "0:0:0:0:0:0:0:1"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("fe80::1%eth0", "fe80:0:0:0:0:0:0:1%eth0"),
    ],
)
def test_addresses_are_written_as_java_writes_them(tmp_path, host, java):
    assert java_address(host) == java
    made = authorizer(tmp_path)
    made.add([READ._replace(host=java)])
    assert made.allows(context(host=host), Operation.READ, TOPIC, "t")
