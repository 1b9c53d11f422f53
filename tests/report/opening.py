"""The results page opened in a browser at an address."""

from __future__ import annotations

from typing import Any


def open_page(tab: Any, address: str) -> None:
    """Open it anew, though only what is behind its # may differ."""
    tab.goto("about:blank")
    tab.goto(address)


def reopened(tab: Any) -> str:
    """Open the address that the page has now, and give what is behind its #."""
    address = str(tab.url)
    open_page(tab, address)
    return address.partition("#")[2]
