"""The tables `[edge]` and `[persisted]`: what stands in them counts, and a mistake is told with its line."""

import json
from pathlib import Path

import pytest

from gateway.domain.edge import EdgeSettings, PersistedSettings
from gateway.settings import Settings, SettingsError, load_settings
from tests.programs import run

SOURCE = """[[sources]]
name = "maarch"
kind = "maarch"
url = "https://mail.example.org/rest"
username = "gateway"
password = "secret"
"""


def load(folder: Path, text: str) -> Settings:
    """Write settings and load them."""
    path = folder / "gateway.toml"
    path.write_text(f"{text}\n{SOURCE}", "utf-8")
    return load_settings(path, {})


def test_the_edge_is_as_it_is_set(tmp_path: Path) -> None:
    """Each key of the table has its effect, and those that are left out their defaults."""
    # given
    text = '[edge]\nhosts = ["gateway:8000"]\norigins = ["https://app.example.org"]\nlive_connections = 7'

    # when
    settings = load(tmp_path, text)

    # then
    assert settings.edge == EdgeSettings(
        hosts=("gateway:8000",), origins=("https://app.example.org",), live_connections=7
    )
    assert settings.persisted == PersistedSettings()


def test_a_manifest_lies_beside_the_settings(tmp_path: Path) -> None:
    """Its path counts from their folder, as all paths do, wherever the gateway is started."""
    # when
    settings = load(tmp_path, '[persisted]\nmanifest = "documents.json"\nonly = true')

    # then
    assert settings.persisted.manifest == str(tmp_path / "documents.json")
    assert settings.persisted.only is True


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[edge]\nhosts = ["https://x"]', ":2: [edge]: `hosts` must hold hosts in small letters"),
        ('[edge]\n\norigins = ["x"]', ":3: [edge]: `origins` must hold origins in small letters"),
        (
            '[edge]\ncredentials = true\norigins = ["*"]',
            ":2: [edge]: `credentials` must not go to every origin",
        ),
        ("[edge]\nlive_connections = 0", ":2: 'live_connections' in [edge] must be 1 to 100,000"),
        ("[edge]\norigin = []", ":2: unknown key 'origin' in [edge]: did you mean 'origins'?"),
        ("[persisted]\nonly = true", ":2: [persisted]: `only` needs the key `manifest`"),
        ("persisted = 1", ":1: the persisted must be a table [persisted]"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    """File, line, what is wrong, and what to write instead, in one line."""
    # when
    with pytest.raises(SettingsError) as error:
        load(tmp_path, text)

    # then
    assert told in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_serve_does_not_start_with_a_bad_document(tmp_path: Path) -> None:
    """A client's document that the schema refuses is found before anybody asks it, and named."""
    # given
    (tmp_path / "documents.json").write_text(json.dumps({"Broken": "query Broken { nothing }"}))
    (tmp_path / "gateway.toml").write_text(f'[persisted]\nmanifest = "documents.json"\n{SOURCE}')

    # when
    outcome = run("serve", "--config", str(tmp_path / "gateway.toml"))

    # then
    assert outcome.returncode == 2
    assert f"attachment-gateway: {tmp_path / 'documents.json'}: the document 'Broken'" in outcome.stderr
    assert "Traceback" not in outcome.stderr
