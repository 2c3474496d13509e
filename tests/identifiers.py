"""The identifiers that the demo and gateways without configured keys give, for tests that name objects themselves."""

from gateway.identifiers import DEVELOPMENT_KEYS, Identifiers

IDS = Identifiers(DEVELOPMENT_KEYS, "default")
