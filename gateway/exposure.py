"""Whether settings may be served: nobody from outside gets in who does not say who he is."""

from gateway.identity.addresses import is_loopback
from gateway.settings import Settings

LOG_IN = "configure [[issuers]] or [[api_keys]]"


def why_not_served(settings: Settings) -> str | None:
    """Say in one sentence why these settings are not served; None where they are.

    Beyond loopback everybody has to log in. Only the profile demo, whose data are made up, may be opened to all by
    saying `anonymous = true`, for a container whose port is published on its host's loopback alone.
    """
    here, said = is_loopback(settings.host), settings.anonymous is True
    if not settings.authenticates and not settings.admits_all:
        return f"serve refuses, because nobody could get in: {LOG_IN}, or say `anonymous = true` on loopback"
    if here or (settings.profile == "demo" and said):
        return None
    if not settings.authenticates:
        return f"serve refuses to listen on {settings.host}: nobody has to log in; {LOG_IN}, or set host to 127.0.0.1"
    if settings.admits_all:
        return (
            f"serve refuses to listen on {settings.host}: `anonymous = true` lets everybody in; leave it out, or set"
            " host to 127.0.0.1"
        )
    return None
