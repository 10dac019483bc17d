"""A zero-install start has keys that nobody else knows."""

from pathlib import Path

from config import env, throwaway_keys


def keys(folder: Path, **given: str) -> tuple[str, str]:
    read = env.parse({"STATE_DIR": str(folder), **given}, debug=True)
    mine = throwaway_keys.instead(read)
    return mine.secret_key, mine.artefact_hmac_key


def test_keys_are_made_once_and_differ_between_installations(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"

    assert keys(one) == keys(one)
    assert not set(keys(one)) & set(keys(other))
    assert (one / throwaway_keys.FILE).stat().st_mode & 0o777 == 0o600
    assert [p.name for p in one.iterdir()] == [throwaway_keys.FILE]


def test_a_given_key_is_used_as_it_is(tmp_path: Path) -> None:
    assert keys(tmp_path, SECRET_KEY="mine")[0] == "mine"
