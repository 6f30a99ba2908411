"""One picture from an address that a stranger has typed, and from the public internet only.

A server that fetches what it is told to can be told to ask itself, its network or its cloud's
metadata. So an address has to be written in the plainest way, its name is resolved here, every
address of the name has to be public, and the connection goes to one of those. All of this is done
anew for each redirect.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from veneer import __version__
from veneer.errors import VeneerError
from veneer.sources.urls import _run

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

PORTS = frozenset({80, 443, 8080, 8443})
"""Where pictures are. Others would make of this a way to knock on all doors of other people's
servers, mail servers and databases among them, in this server's name."""

MOST_REDIRECTS = 5

LONGEST_ADDRESS = 8000
"""Characters; few servers take longer ones."""

_SHOWN = 200  # characters of an address in an error

_ADDRESS = re.compile(r"(https?)://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:]+)(?::([0-9]{0,5}))?", re.IGNORECASE)
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*")
_ENDS_IN_A_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
# What `ipaddress`, in some of its versions, takes for global.
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments; the metadata of a cloud
        "192.88.99.0/24",  # relays of 6to4
        "168.63.129.16/32",  # public by its number, but within a cloud it is the machine's host
        "2001::/23",  # protocol assignments; Teredo, which leads to any IPv4 address
        "2002::/16",  # 6to4, likewise
        "3fff::/20",  # documentation
    )
)

_REDIRECTS = (301, 302, 303, 307, 308)
_BYTES = ("", "application/octet-stream", "binary/octet-stream")  # types that say nothing

# One sentence for all of these: a stranger should not learn which names and machines there are.
_NO_PUBLIC_SERVER = "no public server is found there"
_BADLY_WRITTEN = "its host is not written in the usual way"


def is_public_address(address: str) -> bool:
    """Whether an IP address is one of the public internet, and not this machine's own.

    IPv6 addresses that stand for an IPv4 address are never public, whatever that one is: who
    means it can write it.

    Parameters
    ----------
    address : str
        In canonical form; what is no IP address is not public.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        isatap = (int(ip) >> 32) & 0xFDFFFFFF == 0x00005EFE  # the last 32 bits are an IPv4 address
        # IPv4-mapped and -compatible addresses and those of NAT64 are outside of this, as is what
        # is local to a site, link or machine.
        if isatap or ip.scope_id is not None or ip not in _GLOBAL_UNICAST:
            return False
    if not ip.is_global or ip.is_multicast or any(ip in network for network in _NOT_PUBLIC):
        return False
    return not _is_own(ip)


def fetch_public(
    url: str,
    *,
    max_bytes: int,
    time_limit: float = 20.0,
    resolver: Callable[[str], Sequence[str]] | None = None,
    is_public: Callable[[str], bool] = is_public_address,
) -> bytes:
    """Fetch a picture from the public internet; nothing else is ever asked.

    The bytes are not looked into: they may be anything that calls itself a picture.

    Parameters
    ----------
    url : str
        As it was typed; may be any text.
    max_bytes : int
        Larger pictures are refused.
    time_limit : float
        Seconds for everything: names, redirects and the picture.
    resolver : callable, optional
        Gives all IP addresses of a host's name, or raises OSError; is called in another thread.
        By default it is the system's.
    is_public : callable
        Whether an IP address may be asked.

    Raises
    ------
    VeneerError
        In all cases in which there is no picture.
    """
    import aiohttp

    way = [url.strip()]  # the address, and those it has led on to
    try:
        return _run(_fetch(way, max_bytes, time_limit, resolver or _resolve, is_public))
    except _RefusedError as refused:
        found = str(refused)
    except TimeoutError:
        found = "it took too long"
    except aiohttp.ClientSSLError:
        found = "the server's certificate cannot be trusted, or it does not speak TLS"
    except (aiohttp.ClientConnectorError, aiohttp.InvalidURL):
        found = "the server cannot be reached"
    except (aiohttp.ClientError, OSError, ValueError):
        found = "the server broke off, or did not answer as web servers do"
    leads = f", which leads on to {_shown(way[-1])}" if len(way) > 1 else ""
    raise VeneerError(
        f"Fetching the picture at {_shown(way[0])}{leads}: {found}. "
        "Download the picture yourself and upload it."
    ) from None


def _is_own(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Behind a public address of this machine may be what a firewall shields from outside."""
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as unconnected:
            unconnected.connect((str(ip), 9))  # sends nothing, but chooses where from to send
            return ipaddress.ip_address(unconnected.getsockname()[0]) == ip
    except OSError:  # no way leads there
        return False


def _resolve(host: str) -> list[str]:
    """All addresses of a name."""
    # With the dot the name is absolute: the network's own domains are not searched for it.
    found = socket.getaddrinfo(f"{host}.", None, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


def _shown(text: str) -> str:
    """An address as an error shows it: without a password, in one short and printable line."""
    address = _ADDRESS.fullmatch(text)
    # In what is no address, anything before an @ may be a password.
    if not (address and "@" not in address[2] and _AUTHORITY.fullmatch(address[2])):
        *before, text = re.split("[@＠]", text)
        text = f"…@{text}" if before else text
    shown = "".join(
        character if character.isprintable() else ascii(character)[1:-1]
        for character in text[: _SHOWN + 1]
    )
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"


def _checked(text: str, is_public: Callable[[str], bool]) -> URL:
    """The address, if it may be asked.

    Only what every reader of addresses understands in the same way gets through.
    """
    from yarl import URL

    address = _ADDRESS.fullmatch(text)
    if not address:
        raise _RefusedError("this is no http or https address")
    if len(text) > LONGEST_ADDRESS:
        raise _RefusedError(f"the address is longer than {LONGEST_ADDRESS:,} characters")
    if not text.isprintable() or "\\" in text:
        raise _RefusedError("there are characters in the address that do not belong there")
    scheme, authority, rest = address.groups()
    if "@" in authority:
        raise _RefusedError("there is a user name or password in the address")
    parts = _AUTHORITY.fullmatch(authority)
    if not parts:
        raise _RefusedError(_BADLY_WRITTEN)
    host = _checked_host(parts[1], is_public)
    port = int(parts[2] or (443 if scheme.lower() == "https" else 80))
    if port not in PORTS:
        ports = ", ".join(map(str, sorted(PORTS)))
        raise _RefusedError(f"port {port} is none of those where pictures are asked for ({ports})")
    return URL(f"{scheme}://{host}:{port}{rest}")


def _checked_host(text: str, is_public: Callable[[str], bool]) -> str:
    """The host as it is asked: an IP address that may be, or a name still to be resolved."""
    try:
        if text.startswith("["):
            ip = ipaddress.IPv6Address(text[1:-1])
            host = f"[{ip}]"
        else:
            host = _normalized_name(text)
            # The system would read 2130706433, 0x7f.1 and 127.1 as 127.0.0.1.
            ip = ipaddress.IPv4Address(host) if _ENDS_IN_A_NUMBER.fullmatch(host) else None
    except ValueError:
        raise _RefusedError(_BADLY_WRITTEN) from None
    # A name without a dot is one of this machine or its network.
    if not is_public(str(ip)) if ip else "." not in host:
        raise _RefusedError(_NO_PUBLIC_SERVER)
    return host


def _normalized_name(text: str) -> str:
    """In lower case, other alphabets in that of names; ValueError for what is no name."""
    if len(text) > 255:  # what comes next is slow for longer ones
        raise ValueError("too long")
    if not text.isascii():
        import idna

        text = idna.encode(text, uts46=True).decode("ascii")
    name = text.lower().removesuffix(".")
    if not _NAME.fullmatch(name):
        raise ValueError("no name")
    return name


def _next(url: URL, location: str) -> str:
    try:
        return urljoin(str(url), location)
    except ValueError:
        return location  # which will be refused


async def _fetch(
    way: list[str],
    max_bytes: int,
    time_limit: float,
    resolver: Callable[[str], Sequence[str]],
    is_public: Callable[[str], bool],
) -> bytes:
    """What the last address of the way gives; appends to the way."""
    url = _checked(way[0], is_public)
    trusted = cache(_trusted)
    async with asyncio.timeout(time_limit), _session(resolver, is_public) as session:
        while True:
            certificates = trusted() if url.scheme == "https" else True
            async with session.get(url, allow_redirects=False, ssl=certificates) as response:
                location = response.headers.get("Location")
                if response.status not in _REDIRECTS or location is None:
                    return await _body(response, max_bytes)
            if len(way) > MOST_REDIRECTS:
                raise _RefusedError(f"there are more than {MOST_REDIRECTS} redirects")
            way.append(_next(url, location))
            before, url = url, _checked(way[-1], is_public)
            # As browsers have it: who writes https does not want it changed on its way.
            if before.scheme == "https" and url.scheme == "http":
                raise _RefusedError("this is a redirect from https to http")


def _trusted() -> ssl.SSLContext:
    from requests.certs import where

    trusted = ssl.create_default_context()
    trusted.load_verify_locations(where())  # some systems have no certificates of their own
    return trusted


def _session(
    resolver: Callable[[str], Sequence[str]], is_public: Callable[[str], bool]
) -> aiohttp.ClientSession:
    import aiohttp
    from aiohttp.abc import AbstractResolver, ResolveResult

    class Resolver(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            loop = asyncio.get_running_loop()
            try:
                addresses = list(await loop.run_in_executor(None, resolver, host))
            except (OSError, ValueError):
                addresses = []
            # Where some are public and some are not, the name is there to deceive.
            if not addresses or not all(map(is_public, addresses)):
                raise _RefusedError(_NO_PUBLIC_SERVER)
            return [
                ResolveResult(
                    hostname=host,
                    host=address,
                    port=port,
                    family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                    proto=0,
                    flags=socket.AI_NUMERICHOST,
                )
                for address in addresses
            ]

        async def close(self) -> None:
            pass

    class Connector(aiohttp.TCPConnector):
        async def connect(self, *args, **kwargs):
            # Before a request is sent: aiohttp resolves IP addresses without the resolver.
            connection = await super().connect(*args, **kwargs)
            peer = connection.transport and connection.transport.get_extra_info("peername")
            if not peer or not is_public(peer[0]):
                connection.close()
                raise _RefusedError(_NO_PUBLIC_SERVER)
            return connection

    return aiohttp.ClientSession(
        connector=Connector(resolver=Resolver(), use_dns_cache=False, force_close=True),
        timeout=aiohttp.ClientTimeout(),  # there is one limit over everything
        headers={"User-Agent": f"veneer/{__version__}", "Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # a few bytes can be unpacked to gigabytes
        trust_env=False,  # a proxy would resolve the name again; no passwords from netrc
    )


async def _body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    if response.status != 200:
        raise _RefusedError(f"the server answers with status {response.status}")
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    is_picture = kind.startswith("image/") and not kind.startswith("image/svg")
    if not is_picture and kind not in _BYTES:
        raise _RefusedError(f"it is {_shown(kind)[:50]}, and no picture that can be read")
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise _RefusedError("the server has compressed it")
    too_large = _RefusedError(f"it is larger than {max_bytes:,} bytes")
    if (response.content_length or 0) > max_bytes:
        raise too_large
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > max_bytes:
            raise too_large
    if not body:
        raise _RefusedError("it is empty")
    return bytes(body)


class _RefusedError(Exception):
    """Why an address is not asked, or what it gives is not taken."""
