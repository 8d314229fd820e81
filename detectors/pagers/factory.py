"""Pagers from settings. A new kind of pager is a new settings class and a line here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Self

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from detectors.pagers.alertmanager import AlertmanagerPager
from detectors.pagers.base import Pager
from detectors.pagers.webhook import WebhookPager


def _http_url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError(f"{text!r} is not an http:// or https:// URL")
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ValueError(f"{text!r} is not a URL: {error}") from error
    if not url.host or (url.port is not None and not 0 < url.port < 65536):
        raise ValueError(f"{text!r} names no host and port that can be connected to")
    return text


Url = Annotated[str, AfterValidator(_http_url)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AlertmanagerSettings(_Settings):
    """Prometheus Alertmanager."""

    url: Url
    """Its base URL, without `/api/v2`."""
    name: str = "alertmanager"
    generator_url: Url | None = None
    """Where people look further: the link "Source" that Alertmanager shows with each alert."""


class Receiver(_Settings):
    """Who is sent JSON, with a token or without."""

    url: Url
    token_file: Path | None = None
    """File whose first line is sent as a bearer token."""
    token_env: str | None = None
    """Environment variable that holds the token instead."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.token_file is not None and self.token_env is not None:
            raise ValueError("give token_file or token_env, not both")
        return self

    def beside(self, folder: Path) -> Self:
        """The same with paths that start there, where they are relative."""
        file = self.token_file
        return self.model_copy(update={"token_file": file and folder / file})

    def token(self) -> str | None:
        """The token, read now. Raises OSError or ValueError where it cannot be had."""
        if self.token_file is not None:
            return _first_line(self.token_file, "token")
        if self.token_env is not None:
            token = os.environ.get(self.token_env, "").strip()
            if not token:
                raise ValueError(f"environment variable {self.token_env} holds no token")
            return token
        return None


class WebhookSettings(Receiver):
    """A receiver of JSON."""

    name: str = "webhook"
    signing_key_file: Path | None = None
    """File whose first line is the key that bodies are signed with."""

    def beside(self, folder: Path) -> Self:
        """The same with paths that start there, where they are relative."""
        file = self.signing_key_file
        return (
            super().beside(folder).model_copy(update={"signing_key_file": file and folder / file})
        )

    def signing_key(self) -> str | None:
        """The key, read now. Raises OSError or ValueError where it cannot be had."""
        return _first_line(self.signing_key_file, "key") if self.signing_key_file else None


def _first_line(path: Path, what: str) -> str:
    try:
        lines = path.read_text().splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text") from error
    if not lines or not lines[0].strip():
        raise ValueError(f"{path} holds no {what}")
    return lines[0].strip()


class PagerSettings(_Settings):
    """One receiver: exactly one of these."""

    alertmanager: AlertmanagerSettings | None = None
    webhook: WebhookSettings | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.alertmanager is None) == (self.webhook is None):
            raise ValueError("give exactly one of alertmanager and webhook")
        return self

    @property
    def name(self) -> str:
        """What it is called in logs and metrics."""
        given = self.alertmanager or self.webhook
        assert given is not None  # noqa: S101 - exactly one is given
        return given.name

    def beside(self, folder: Path) -> Self:
        """The same with paths that start there, where they are relative."""
        return self.model_copy(update={"webhook": self.webhook and self.webhook.beside(folder)})

    def build(self) -> Pager:
        """The pager. Raises OSError or ValueError where its secret cannot be had."""
        if self.alertmanager is not None:
            alerts = self.alertmanager
            return AlertmanagerPager(alerts.url, alerts.name, alerts.generator_url)
        assert self.webhook is not None  # noqa: S101 - exactly one is given
        hook = self.webhook
        return WebhookPager(hook.url, hook.name, hook.token(), hook.signing_key())


def told_apart(settings: tuple[PagerSettings, ...]) -> tuple[PagerSettings, ...]:
    """The same; ValueError where two have one name."""
    names = [each.name for each in settings]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two pagers are named {name!r}: give one of them another name")
    return settings


def build_pagers(settings: Sequence[PagerSettings]) -> list[Pager]:
    """All pagers. Raises ValueError where two have one name, and what `build` raises."""
    return [each.build() for each in told_apart(tuple(settings))]
