"""Which addresses outgoing messages may reach: public ones, and those that the settings name. Pure but for the
resolving, which happens once, so that a name cannot answer differently when it is asked again."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class AddressRefused(ValueError):
    """The host may not be reached, or has no address."""


@dataclass(frozen=True)
class Allowed:
    """What the settings allow beyond public addresses; `is_all`: nothing else at all may be reached."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    is_all: bool = False

    @classmethod
    def parse(cls, text: str, *, is_all: bool = False) -> Allowed:
        """From a comma-separated list of hosts, addresses and networks.

        >>> Allowed.parse("hooks.example.com, 10.0.0.0/8").hosts
        frozenset({'hooks.example.com'})
        """
        hosts, networks = set(), []
        for part in (one.strip() for one in text.split(",")):
            if not part:
                continue
            try:
                networks.append(ipaddress.ip_network(part, strict=False))
            except ValueError:
                hosts.add(part.lower().rstrip("."))
        return cls(frozenset(hosts), tuple(networks), is_all)

    def permits(self, host: str, address: Address) -> bool:
        """Whether a host at this address may be reached."""
        is_listed = host.lower().rstrip(".") in self.hosts or any(
            address.version == network.version and address in network for network in self.networks
        )
        return is_listed or (not self.is_all and _is_public(address))


def _is_public(address: Address) -> bool:
    """Not loopback, private, link-local (cloud metadata), multicast or reserved, nor one of those inside IPv6."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is not None:
            return _is_public(inner)
        if address in ipaddress.ip_network("64:ff9b::/96"):
            return _is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return address.is_global and not address.is_multicast and not address.is_reserved


def pick(allowed: Allowed, host: str, found: Sequence[str]) -> str:
    """The first address that may be reached; AddressRefused when there is one that may not, or none."""
    addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in found]
    refused = [str(one) for one in addresses if not allowed.permits(host, one)]
    if refused:
        raise AddressRefused(f"{host} is at {refused[0]}, which may not be reached: name it in SOI_OUTGOING_ALLOWED")
    if not addresses:
        raise AddressRefused(f"{host} has no address")
    return found[0]


def resolve(allowed: Allowed, host: str, port: int) -> str:
    """The address to connect to, checked."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise AddressRefused(f"{host} has no address: {error}") from error
    return pick(allowed, host, list(dict.fromkeys(str(one[4][0]) for one in found)))
