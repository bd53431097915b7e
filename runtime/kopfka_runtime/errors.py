"""The one root of every error Kopfka raises on purpose. Families live in the component they belong to."""


class KopfkaError(Exception):
    """Something could not be done; the message says what, and what to do about it, in one line."""


class SettingsError(KopfkaError):
    """A setting is unknown, malformed or contradicts another one."""


class AddressInUseError(KopfkaError):
    """Another process listens on the address this one was told to listen on."""
