"""Settings of one listener: Kafka's `listener.name.NAME.SETTING` over `SETTING`, and a SASL mechanism's over both."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kopfka_broker.config.definitions import definitions

if TYPE_CHECKING:
    from kopfka_broker.config.definitions import Definition
    from kopfka_broker.config.values import BrokerConfig

# a listener's own setting, maybe for one mechanism; mechanisms are written in lower case there
_OWN = re.compile(r"listener\.name\.([^.]+)\.(?:(plain|scram-sha-256|scram-sha-512|oauthbearer|gssapi)\.)?(.+)")


def listener_setting(name: str) -> tuple[str, str] | None:
    """Return the listener's name, in lower case, and the setting that `name` sets for it; None for any other name."""
    found = _OWN.fullmatch(name)
    return (found[1].lower(), found[3]) if found and found[3] in definitions().broker else None


def setting_definition(name: str) -> Definition | None:
    """Return the definition of a broker config, of one listener or of all; None for names Kafka does not define."""
    own = listener_setting(name)
    return definitions().broker.get(own[1] if own else name)


class ListenerConfig:
    """The values in force for one listener; each call reads them anew, so altered ones are seen."""

    def __init__(self, config: BrokerConfig, listener: str) -> None:
        self._config = config
        self.prefix = f"listener.name.{listener.lower()}."

    def get(self, name: str, mechanism: str = "") -> Any:
        """Return the parsed value of a setting, None where it has none.

        Raises:
            SettingsError: what was altered while the broker ran is malformed.
        """
        definition = definitions().broker[name]
        keys = [f"{self.prefix}{name}", name]
        if mechanism:
            keys.insert(0, f"{self.prefix}{mechanism.lower()}.{name}")
        text = next((text for key in keys if (text := self._config.set_text(key)) is not None), definition.default)
        return None if text is None else definition.parse(text)

    def number(self, name: str, mechanism: str = "") -> int:
        """Return the value of a setting that is a whole number."""
        return int(self.get(name, mechanism))

    def own(self, name: str, mechanism: str) -> str | None:
        """Return what is set for this listener and mechanism only, as Kafka takes `sasl.jaas.config`."""
        return self._config.set_text(f"{self.prefix}{mechanism.lower()}.{name}")

    def set_for_all(self, name: str) -> bool:
        """Tell whether something is set without saying for which mechanism."""
        return any(self._config.set_text(key) is not None for key in (name, self.prefix + name))

    def called(self, name: str, mechanism: str = "") -> str:
        """Return under which name to set it for this listener, for messages."""
        return f"{self.prefix}{mechanism.lower()}.{name}" if mechanism else f"{self.prefix}{name}"

    def texts(self, beginnings: tuple[str, ...]) -> dict[str, str | None]:
        """Return what is set for this listener or for all, of the settings that begin so: to see whether it changed."""
        config = self._config
        found = {}
        for settings in (config.file_settings, config.altered[""], config.altered.get(str(config.node_id), {})):
            for name in settings:
                own = _OWN.fullmatch(name)
                meant = own is None or name.startswith(self.prefix)
                if meant and (own[3] if own else name).startswith(beginnings):
                    found[name] = config.set_text(name)
        return found
