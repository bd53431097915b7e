from __future__ import annotations

from dataclasses import replace

from kopfka_local.controllers.graph import Delete, DropFinalizer, DropOwners, Graph, Node, Owner, Ownership
from kopfka_local.kinds import CONFIG_MAPS, PODS

GONE = {"gone"}


def node(uid: str, *owners: str, deleting: bool = False, finalizers: tuple[str, ...] = (), blocks: bool = True) -> Node:
    references = tuple(Owner("v1", "ConfigMap", owner, owner, blocks) for owner in owners)
    return Node(PODS if owners else CONFIG_MAPS, "n", uid, uid, references, deleting, finalizers)


def graph(*nodes: Node) -> Graph:
    made = Graph()
    for one in nodes:
        made.put(one)
    return made


def ownership(of: Graph):  # type: ignore[no-untyped-def]
    def look(_node: Node, owner: Owner) -> Ownership:
        found = of.nodes.get(owner.uid)
        if found is None:
            return Ownership.ABSENT
        return Ownership.WAITING if found.waits_for_dependents else Ownership.SOLID

    return look


def plan(of: Graph, uid: str) -> list[object]:
    return list(of.plan(uid, ownership(of)))


def test_what_has_an_owner_stays() -> None:
    assert plan(graph(node("o"), node("d", "o")), "d") == []


def test_what_lost_its_only_owner_goes() -> None:
    of = graph(node("o"), node("d", "o"))
    assert of.remove("o") == {"d"}
    assert plan(of, "d") == [Delete(node("d", "o"), "Background")]


def test_what_lost_one_of_two_owners_stays_without_it() -> None:
    of = graph(node("o"), node("p"), node("d", "o", "p"))
    of.remove("o")
    assert plan(of, "d") == [DropOwners(node("d", "o", "p"), frozenset({"o"}))]


def test_an_owner_that_never_was_counts_as_gone() -> None:
    of = Graph()
    assert of.put(node("d", "never")) == {"d"}
    assert plan(of, "d") == [Delete(node("d", "never"), "Background")]


def test_what_is_being_deleted_is_left_alone() -> None:
    assert plan(graph(node("d", "gone", deleting=True)), "d") == []


def test_foreground_deletion_waits_for_blocking_dependents() -> None:
    owner = node("o", deleting=True, finalizers=("foregroundDeletion",))
    of = graph(node("o"), node("d", "o"), node("e", "o", blocks=False))
    assert of.put(owner) == {"o", "d", "e"}
    assert plan(of, "o") == [Delete(node("d", "o"), "Background")]
    of.put(node("d", "o", deleting=True))
    assert plan(of, "o") == []
    assert of.remove("d") == {"o"}
    assert plan(of, "o") == [DropFinalizer(owner, "foregroundDeletion")]


def test_foreground_deletion_goes_on_below() -> None:
    of = graph(node("o", deleting=True, finalizers=("foregroundDeletion",)), node("d", "o"), node("e", "d"))
    assert plan(of, "o") == [Delete(node("d", "o"), "Foreground")]


def test_orphaning_takes_the_owner_off_and_lets_go() -> None:
    owner = node("o", deleting=True, finalizers=("orphan",))
    of = graph(owner, node("b", "o"), node("a", "o"))
    assert plan(of, "o") == [
        DropOwners(node("a", "o"), frozenset({"o"})), DropOwners(node("b", "o"), frozenset({"o"})),
        DropFinalizer(owner, "orphan"),
    ]  # fmt: skip


def test_an_owner_taken_off_is_looked_at_again() -> None:
    of = graph(node("o", deleting=True, finalizers=("foregroundDeletion",)), node("d", "o"))
    assert of.put(replace(node("d", "o"), owners=())) == {"o"}
    assert of.dependents("o") == []
