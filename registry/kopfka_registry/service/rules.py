"""Rules of a schema as far as the registry judges them: that clients can tell them apart and know when they apply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kopfka_registry.errors import InvalidRuleSetError

if TYPE_CHECKING:
    from kopfka_registry.models import Rule, RuleSet

_KINDS: Final = frozenset({"TRANSFORM", "CONDITION"})
_MIGRATING: Final = frozenset({"UPGRADE", "DOWNGRADE", "UPDOWN"})
_MOVING: Final = frozenset({"READ", "WRITE", "WRITEREAD"})
_RESERVED: Final = "$"


def check_rules(rules: RuleSet | None) -> None:
    """Look through the rules of a schema.

    Raises:
        InvalidRuleSetError: one has no name, no type, or a kind or mode that there is not where it stands; or two have
            the same name.
    """
    if rules is None:
        return
    seen: set[str] = set()
    for field, group, modes in (
        ("migrationRules", rules.migration_rules, _MIGRATING),
        ("domainRules", rules.domain_rules, _MOVING),
        ("encodingRules", rules.encoding_rules, _MOVING),
    ):
        for index, rule in enumerate(group or ()):
            wrong = _wrong(rule, modes, seen)
            if wrong:
                raise InvalidRuleSetError(f"Invalid rule set: ruleSet.{field}[{index}]: {wrong}")
            seen.add(rule.name)


def _wrong(rule: Rule, modes: frozenset[str], seen: set[str]) -> str | None:
    if not rule.name.strip() or not (rule.type or "").strip():
        return "name and type may not be empty"
    if rule.name.startswith(_RESERVED):
        return f"the name '{rule.name}' begins with {_RESERVED}, which is reserved"
    if rule.name in seen:
        return f"there are two rules of the name '{rule.name}'"
    if rule.kind is not None and rule.kind.upper() not in _KINDS:
        return f"kind '{rule.kind}' is none of {', '.join(sorted(_KINDS))}"
    if rule.mode is not None and rule.mode.upper() not in modes:
        return f"mode '{rule.mode}' is none of {', '.join(sorted(modes))}"
    return None
