"""The Helm chart grants what `kopfka_operator.rbac` says is needed and nothing else; bad values are refused."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from kopfka_operator import rbac
from support.prerequisites import need_command

pytestmark = pytest.mark.kubectl

CHART = Path(__file__).parents[2] / "charts" / "kopfka"


def template(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    need_command("helm", "install Helm 3.14 or newer")
    command = ["helm", "template", "kopfka", str(CHART), "-n", "home", "--kube-version", "1.34.0", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=check)


def rendered(*arguments: str) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(template(*arguments).stdout) if each]


def rules(objects: list[dict[str, Any]], kind: str) -> dict[tuple[str | None, str], Any]:
    return {
        (each["metadata"].get("namespace"), each["metadata"]["name"]): each["rules"]
        for each in objects
        if each["kind"] == kind
    }


def test_cluster_wide_it_grants_what_is_needed_and_nothing_else() -> None:
    objects = rendered()
    assert list(rules(objects, "ClusterRole").values()) == [rbac.manifest(rbac.WORK)]
    assert rules(objects, "Role") == {("home", "kopfka-leader"): rbac.manifest(rbac.LEAD)}


def test_its_text_has_the_rules_even_where_there_is_no_helm() -> None:
    text = (CHART / "templates" / "rbac.yaml").read_text()
    rules_text = text.partition('define "kopfka.workRules" }}')[2].partition("{{- end }}")[0]
    assert yaml.safe_load(rules_text) == rbac.manifest(rbac.WORK)


def test_with_named_namespaces_it_grants_nothing_cluster_wide() -> None:
    objects = rendered("--set", "watchNamespaces={a,b}")
    assert not rules(objects, "ClusterRole")
    assert not [each for each in objects if each["kind"] == "ClusterRoleBinding"]
    assert rules(objects, "Role") == {
        ("home", "kopfka-leader"): rbac.manifest(rbac.LEAD),
        ("a", "kopfka"): rbac.manifest(rbac.WORK),
        ("b", "kopfka"): rbac.manifest(rbac.WORK),
    }
    (deployment,) = [each for each in objects if each["kind"] == "Deployment"]
    arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    assert {"--namespace=a", "--namespace=b"} <= set(arguments)


def test_every_role_is_bound_to_the_operators_account() -> None:
    for arguments in ([], ["--set", "watchNamespaces={a}"], ["--set", "serviceAccount.name=other"]):
        objects = rendered(*arguments)
        (deployment,) = [each for each in objects if each["kind"] == "Deployment"]
        account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
        bindings = [each for each in objects if each["kind"].endswith("RoleBinding")]
        roles = {each["metadata"]["name"] for each in objects if each["kind"] in ("Role", "ClusterRole")}
        assert {each["roleRef"]["name"] for each in bindings} == roles
        for binding in bindings:
            assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": "home"}]


def test_an_unknown_value_is_refused_by_name() -> None:
    refused = template("--set", "replcas=2", check=False)
    assert refused.returncode != 0
    assert "replcas" in refused.stderr
