"""The section `store` of the settings: which server, how to log in, how long rows are kept."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from anchorwatch.errors import UserError
from anchorwatch.server_settings import ServerSettings, TlsSettings, TtlSettings
from anchorwatch.settings import Settings, read_settings
from collector.store.address import ServerAddress, Tls
from detectors.documents import Mistakes
from tests.conftest import ROOT

HEAD = """intent: intent.yaml
bmp: {routers: [{address: 192.0.2.1}]}
store:
"""


def read(folder: Path, text: str) -> Settings:
    path = folder / "anchorwatch.yaml"
    path.write_text(HEAD + text)
    return read_settings(path)


def server(folder: Path, text: str) -> ServerAddress:
    found = read(folder, text).store.server
    assert found is not None
    return found.server()


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(Mistakes) as caught:
        read(folder, text)
    name = f"{folder / 'anchorwatch.yaml'}:"
    return [str(each).removeprefix(name) for each in caught.value.mistakes]


def test_without_a_server_the_store_is_embedded(tmp_path: Path) -> None:
    settings = read(tmp_path, "  listen: 127.0.0.1:8481\n")
    assert settings.store.server is None
    assert settings.store.ttl.seconds() == {}


def test_a_server_with_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("password", "ca.pem", "own.pem", "own.key"):
        (tmp_path / name).write_text("s3cret\nnot this\n")
    text = """  server:
    address: "[2001:db8::1]:9440"
    database: bgp
    user: watch
    password_file: password
    tls: {ca_file: ca.pem, certificate_file: own.pem, key_file: own.key, server_name: db.test}
    cluster: fleet-1
    timeout: 90s
  ttl: {routes: 90d, incidents: 36h}
"""
    files = (tmp_path / "ca.pem", tmp_path / "own.pem", tmp_path / "own.key")
    expected = ServerAddress(
        "2001:db8::1",
        9440,
        database="bgp",
        user="watch",
        password="s3cret",  # noqa: S106
        tls=Tls(*files, "db.test"),
        cluster="fleet-1",
        timeout=90.0,
    )
    assert server(tmp_path, text) == expected
    assert read(tmp_path, text).store.ttl.seconds() == {
        "routes": 90 * 86_400,
        "incidents": 36 * 3_600,
    }


def test_a_password_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "  server: {address: db1:9000, password_env: AW_TEST_PASSWORD, tls: true}\n"
    monkeypatch.delenv("AW_TEST_PASSWORD", raising=False)
    with pytest.raises(UserError, match="variable AW_TEST_PASSWORD holds no password"):
        server(tmp_path, text)
    monkeypatch.setenv("AW_TEST_PASSWORD", "from there")
    found = server(tmp_path, text)
    assert (found.host, found.port, found.password) == ("db1", 9000, "from there")
    assert (found.database, found.user, found.tls) == ("default", "default", Tls())


def test_secrets_that_are_not_there_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    for file, said in (("none", "cannot read .*none: No such file"), ("empty", "no password")):
        with pytest.raises(UserError, match=said):
            server(tmp_path, f"  server: {{address: db1:9000, password_file: {file}}}\n")
    with pytest.raises(UserError, match=r"there is no file .*/ca\.pem"):
        server(tmp_path, "  server: {address: db1:9000, tls: {ca_file: ca.pem}}\n")


def test_every_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    text = """  server:
    address: db1
    database: "a;b"
    password: secret
    password_file: a
    password_env: B
    cluster: "x`y"
    timeout: 10ms
    tls: {key_file: own.key}
  ttl:
    routes: 90
    rules: 3d
"""
    found = mistakes(tmp_path, text)
    assert found[0] == (
        "5: store.server.address: 'db1' is not HOST:PORT, such as clickhouse.example.net:9000"
    )
    assert [line.split(":")[0] for line in found] == ["5", "6", "7", "10", "11", "12", "14", "15"]
    assert "password" in found[2]
    assert "'10ms' is shorter than a second" in found[4]
    assert "give certificate_file, too" in found[5]
    assert "90 is not a duration: write 90s" in found[6]
    assert "rules" in found[7]
    assert "secret" not in "".join(found).replace("password: secret", "")
    both = "  server: {address: db1:9000, password_file: a, password_env: B}\n"
    assert mistakes(tmp_path, both) == [
        "4: store.server.password_env: give password_file or password_env, not both"
    ]


@pytest.mark.parametrize("address", ["db1", "db1:0", "db1:65536", "db 1:9000", "::1:9000", ":9000"])
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        ServerSettings(address=address)


def test_the_guide_is_right(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "how-to" / "clickhouse-server.md").read_text()
    (block,) = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    path = tmp_path / "anchorwatch.yaml"
    path.write_text(HEAD.removesuffix("store:\n") + block)
    found = read_settings(path).store
    assert found.server is not None
    assert found.server.password_file == Path("/etc/anchorwatch/clickhouse-password")
    assert found.ttl.seconds()["flowspec"] == 365 * 86_400


def test_every_setting_is_in_the_reference() -> None:
    reference = (ROOT / "docs" / "reference" / "settings.md").read_text()
    keys = [f"server.{name}" for name in ServerSettings.model_fields]
    keys += [f"server.tls.{name}" for name in TlsSettings.model_fields]
    for key in (*keys, "server", "ttl.TABLE"):
        assert f"| `store.{key}` |" in reference, key
    for table in TtlSettings.model_fields:
        assert f"`{table}`" in reference
