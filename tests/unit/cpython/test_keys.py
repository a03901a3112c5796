"""linux/keys.py and the verbs `headgate keys` and `headgate token`."""

import errno
import json
import os
import shlex
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest

from headgate import cli, errors, limits
from headgate.core import base64url
from headgate.core.jwt import Key, sign_hs256
from headgate.errors import CommandError
from headgate.linux import atomic_file, ed25519, keys, ntp

EDDSA_CONFIG = """
[[issuer]]
name = "fleet"
public_keys = ["{state}/keys/device-eddsa.pub"]
max_ttl = "1 d"
"""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory, no configuration but the embedded one, and a machine whose clock is synchronised."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADGATE_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("HEADGATE_CONFIG", raising=False)
    monkeypatch.setattr(ntp, "synchronised", lambda: True)
    return tmp_path / "state"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def refused(call: Any, *arguments: Any) -> CommandError:
    with pytest.raises(CommandError) as caught:
        call(*arguments)
    assert caught.value.code == errors.MISSING
    assert caught.value.next_step
    return caught.value


# --- files -----------------------------------------------------------------------------------------------------------


def test_default_key(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        path, created = keys.ensure_default_keys(tmp_path / "a/b")
    finally:
        os.umask(old)
    assert created
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert list(path.parent.iterdir()) == [path]
    key = keys.load_hs256(path)
    assert (key.alg, len(key.secret), len(key.kid)) == ("HS256", 32, 16)
    assert keys.ensure_default_keys(tmp_path / "a/b") == (path, False)
    assert keys.load_hs256(path).secret == key.secret
    assert path.read_bytes().endswith(b"\n")


def test_secrets_differ(tmp_path: Path) -> None:
    for name in ("a", "b"):
        keys.ensure_hs256(tmp_path / name)
    assert keys.load_hs256(tmp_path / "a").secret != keys.load_hs256(tmp_path / "b").secret


def test_never_overwritten_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "device.key"
    assert keys.write_key(path, b"1" * 32)
    assert not keys.write_key(path, b"2" * 32)
    assert keys.load_hs256(path).secret == b"1" * 32
    assert keys.write_key(path, b"2" * 32, force=True)
    assert keys.load_hs256(path).secret == b"2" * 32
    assert list(tmp_path.iterdir()) == [path]


def test_left_over_of_a_dead_process_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / f".device.key.{os.getpid()}").write_text("half")
    assert keys.ensure_hs256(tmp_path / "device.key")
    assert [p.name for p in tmp_path.iterdir()] == ["device.key"]


def test_a_dangling_link_is_not_followed_when_writing(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    (tmp_path / "device.key").symlink_to(target)
    with pytest.raises(CommandError, match=f"is a link to {target}, which is not there"):
        keys.ensure_hs256(tmp_path / "device.key")
    assert not target.exists()


def test_a_key_that_is_kept_can_be_used(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """ "kept" of what `headgate run` then refuses helps nobody."""
    os.mkfifo(tmp_path / "device.key")
    assert cli.main(["keys", "init", "--dir", str(tmp_path)]) == errors.MISSING
    assert "is not a regular file" in capsys.readouterr().err


def test_pairs(tmp_path: Path) -> None:
    for name, seal in (("device-eddsa.key", False), ("seal.key", True)):
        path = tmp_path / name
        assert keys.create_pair(path, seal=seal)
        public = path.with_suffix(".pub")
        assert (mode(path), mode(public)) == (0o600, 0o644)
        content = public.read_bytes()
        assert not keys.create_pair(path, seal=seal)
        public.unlink()
        assert not keys.create_pair(path, seal=seal)  # made again from the private key
        assert public.read_bytes() == content
        assert keys.create_pair(path, seal=seal, force=True)
        assert public.read_bytes() != content
    key = keys.load_eddsa_public(tmp_path / "device-eddsa.pub")
    assert key.secret == ed25519.public_key(keys.load_private(tmp_path / "device-eddsa.key"))


def test_a_power_cut_between_the_halves_of_a_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "device-eddsa.key"
    assert keys.create_pair(path, seal=False)
    write = keys.write_key
    monkeypatch.setattr(
        keys, "write_key", lambda path, *rest, **more: path.suffix == ".pub" or write(path, *rest, **more)
    )
    assert keys.create_pair(path, seal=False, force=True)  # the public half did not come to be
    monkeypatch.undo()
    assert not keys.create_pair(path, seal=False)
    assert keys.load_public(path.with_suffix(".pub")) == ed25519.public_key(keys.load_private(path))


def test_a_pair_whose_halves_do_not_fit_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "seal.key"
    keys.create_pair(path, seal=True)
    keys.write_key(path.with_suffix(".pub"), bytes(range(32)), private=False, force=True)
    assert not keys.create_pair(path, seal=True)
    assert keys.load_public(path.with_suffix(".pub")) == ed25519.box_public_key(keys.load_private(path))


def test_a_pair_that_cannot_be_replaced_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "device-eddsa.key"
    keys.create_pair(path, seal=False)
    before = [file.read_bytes() for file in (path, path.with_suffix(".pub"))]

    def full(*_: object, **__: object) -> bool:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic_file, "write", full)
    with pytest.raises(CommandError, match="No space left"):
        keys.create_pair(path, seal=False, force=True)
    assert [file.read_bytes() for file in (path, path.with_suffix(".pub"))] == before


def test_a_folder_that_one_may_not_read_is_not_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", refuse)
    assert cli.main(["keys", "list", "--dir", str(tmp_path)]) == errors.MISSING
    assert "Run it as the user" in capsys.readouterr().err


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o777])
def test_files_that_others_can_use_are_refused(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "device.key"
    keys.ensure_hs256(path)
    path.chmod(bits)
    for load in (keys.load_hs256, keys.load_private):
        problem = refused(load, path)
        assert f"mode {bits:04o}" in problem.cause
        assert f"chmod 600 {path}" in problem.next_step
        assert path.read_text().strip() not in problem.line()
    path.chmod(0o400)
    keys.load_hs256(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "32 bytes"),
        (b"short", "not one line of base64url"),
        (base64url.encode(b"x" * 31), "32 bytes"),
        (base64url.encode(b"x" * 32) + b"=", "not one line of base64url"),
        (base64url.encode(b"x" * 32) + b"\n" + base64url.encode(b"x" * 32), "not one line of base64url"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n", "PEM"),
        (b"\xff\xfe", "not one line of base64url"),
        (b"A" * 70000, "not a key"),
    ],
)
def test_unusable_content(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "device.key"
    path.write_bytes(content)
    path.chmod(0o600)
    for load in (keys.load_hs256, keys.load_private, keys.load_public):
        problem = refused(load, path)
        assert reason in problem.line() or "not 32" in problem.line()


def test_files_that_are_none(tmp_path: Path) -> None:
    assert "does not exist" in refused(keys.load_hs256, tmp_path / "absent").cause
    assert refused(keys.load_hs256, tmp_path).cause
    os.mkfifo(tmp_path / "pipe", 0o600)  # must not wait for a writer
    assert "not a regular file" in refused(keys.load_hs256, tmp_path / "pipe").cause
    (tmp_path / "file").touch()
    assert "cannot write" in refused(keys.ensure_hs256, tmp_path / "file/device.key").cause


def test_hs256_secret_of_another_size(tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    path.write_bytes(b"  " + base64url.encode(b"y" * 64) + b"\r\n")
    path.chmod(0o600)
    assert keys.load_hs256(path).secret == b"y" * 64


@pytest.mark.parametrize("point", ["01" + "00" * 31, "00" * 32, "ed" + "ff" * 30 + "7f", "ff" * 32])
def test_weak_public_keys_are_refused(tmp_path: Path, point: str) -> None:
    path = tmp_path / "weak.pub"
    path.write_bytes(base64url.encode(bytes.fromhex(point)))
    assert "not a point" in refused(keys.load_eddsa_public, path).cause


def test_rfc8037_thumbprint() -> None:
    public = base64url.decode(b"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
    assert keys.thumbprint("EdDSA", public) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_pynacl_missing(tmp_path: Path) -> None:
    """A device without PyNaCl: HS256 goes on working, EdDSA says what to install."""
    code = (
        "import sys; sys.modules['nacl'] = None\n"
        "from pathlib import Path; from headgate.linux import keys; from headgate.errors import CommandError\n"
        f"where = Path({str(tmp_path)!r})\n"
        "assert keys.ensure_hs256(where / 'a') and keys.load_hs256(where / 'a')\n"
        "try: keys.create_pair(where / 'b', seal=False)\n"
        "except CommandError as e: print(e.code, e.line())\n"
        "assert not (where / 'b').exists()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("4 EdDSA and sealed batches need PyNaCl")
    assert "python3-nacl" in done.stdout


# --- JWKS ------------------------------------------------------------------------------------------------------------

X = base64url.encode(ed25519.public_key(bytes(32))).decode()
X2 = base64url.encode(ed25519.public_key(b"2" * 32)).decode()
K = base64url.encode(b"k" * 32).decode()
OKP = {"kty": "OKP", "crv": "Ed25519", "x": X}
OCT = {"kty": "oct", "k": K}


def jwks(path: Path, *entries: object, bits: int = 0o600) -> Path:
    path.write_text(json.dumps({"keys": entries}))
    path.chmod(bits)
    return path


def test_jwks(tmp_path: Path) -> None:
    file = jwks(
        tmp_path / "set",
        {**OKP, "kid": "one", "use": "sig", "alg": "EdDSA", "key_ops": ["verify"]},
        {**OKP, "x": X2, "alg": "Ed25519"},
        {**OCT, "kid": "two", "alg": "HS256"},
        # passed over:
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "one"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "X25519", "x": X},
        {**OKP, "use": "enc"},
        {**OKP, "alg": "ES256"},
        {**OKP, "key_ops": ["sign"]},
        {**OCT, "alg": "HS512"},
        {"kty": ["oct"]},
        {},
    )
    found = keys.load_jwks(file)
    assert [(key.kid, key.alg) for key in found] == [
        ("one", "EdDSA"),
        (keys.thumbprint("EdDSA", base64url.decode(X2.encode())), "EdDSA"),
        ("two", "HS256"),
    ]


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([], "no oct key"),
        ([{"kty": "RSA"}], "no oct key"),
        (["text"], "not an object"),
        ([{"kty": "oct"}], 'needs a text "k"'),
        ([{**OCT, "kid": 5}], "must be a text"),
        ([{**OCT, "k": K + "="}], "canonical base64url"),
        ([{**OCT, "k": "AAAA"}], "at least 32 bytes"),
        ([{**OKP, "x": "AAAA"}], "32 bytes"),
        ([{**OKP, "x": base64url.encode(bytes(32)).decode()}], "not a point"),
        ([{**OKP, "kid": "a"}, {**OCT, "kid": "a"}], "same kid"),
    ],
)
def test_refused_jwks(tmp_path: Path, entries: list[object], reason: str) -> None:
    assert reason in refused(keys.load_jwks, jwks(tmp_path / "set", *entries)).cause


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"keys":{}}', b'{"keys":[],"keys":[]}', b"\xff", b"[" * 9999])
def test_jwks_that_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "set").write_bytes(content)
    refused(keys.load_jwks, tmp_path / "set")


def test_jwks_with_secrets_must_be_private(tmp_path: Path) -> None:
    assert keys.load_jwks(jwks(tmp_path / "public", OKP, bits=0o644))
    for number, entry in enumerate((OCT, {**OKP, "d": X2})):
        path = tmp_path / f"secret{number}"
        assert "mode 0644" in refused(keys.load_jwks, jwks(path, entry, bits=0o644)).cause
        path.chmod(0o600)
        assert keys.load_jwks(path)


# --- headgate keys ---------------------------------------------------------------------------------------------------


def test_keys_verb(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["keys"]) == errors.OK
    assert "no keys in" in capsys.readouterr().out
    assert cli.main(["keys", "init", "--eddsa", "--seal"]) == errors.OK
    out = capsys.readouterr().out
    assert out.count("created") == 3
    assert 'seal_to = "' in out
    names = {path.name: mode(path) for path in (state / "keys").iterdir()}
    assert names == {
        "device.key": 0o600,
        "device-eddsa.key": 0o600,
        "device-eddsa.pub": 0o644,
        "seal.key": 0o600,
        "seal.pub": 0o644,
    }
    before = {path.name: path.read_bytes() for path in (state / "keys").iterdir()}
    assert cli.main(["keys", "init", "--eddsa", "--seal", "--json"]) == errors.OK
    assert [entry["created"] for entry in json.loads(capsys.readouterr().out)["keys"]] == [False] * 3
    # --force replaces what is named only.
    assert cli.main(["keys", "init", "--eddsa", "--force"]) == errors.OK
    changed = {path.name for path in (state / "keys").iterdir() if path.read_bytes() != before[path.name]}
    assert changed == {"device-eddsa.key", "device-eddsa.pub"}
    assert cli.main(["keys", "init", "--force"]) == errors.OK
    assert (state / "keys/device.key").read_bytes() != before["device.key"]


def test_keys_shown_are_public(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["keys", "init", "--eddsa", "--seal"])
    private = [path.read_text().strip() for path in (state / "keys").glob("*.key")]
    capsys.readouterr()
    shown = ""
    for arguments in ([], ["list"], ["list", "--json"], ["show"], ["show", "--json"], ["show", "--jwks"]):
        assert cli.main(["keys", *arguments]) == errors.OK
        shown += capsys.readouterr().out
    assert len(private) == 3
    for secret in private:
        assert secret not in shown
    for path in (state / "keys").glob("*.pub"):
        assert path.read_text().strip() in shown


def test_shown_key_set_can_be_loaded(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["keys", "init", "--eddsa"])
    capsys.readouterr()
    cli.main(["keys", "show", "--jwks"])
    (tmp_path / "set.json").write_text(capsys.readouterr().out)
    (found,) = keys.load_jwks(tmp_path / "set.json")
    expected = keys.load_eddsa_public(state / "keys/device-eddsa.pub")
    assert (found.kid, found.secret) == (expected.kid, expected.secret)


def test_keys_list_finds_fault(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["keys", "init", "--eddsa"])
    (state / "keys/device-eddsa.key").chmod(0o644)
    capsys.readouterr()
    assert cli.main(["keys", "list"]) == errors.MISSING
    assert "chmod 600" in capsys.readouterr().err
    # The configuration is refused because of its own key: the directory can still be looked at.
    (state / "keys/device.key").chmod(0o644)
    assert cli.main(["keys", "list", "--state", str(state), "--json"]) == errors.MISSING
    problems = [entry["problem"] for entry in json.loads(capsys.readouterr().out)["keys"]]
    assert sum("chmod 600" in problem for problem in problems) == 2


def test_keys_in_another_directory(state: Path, tmp_path: Path) -> None:
    assert cli.main(["keys", "init", "--seal", "--dir", str(tmp_path / "mine")]) == errors.OK
    assert {path.name for path in (tmp_path / "mine").iterdir()} == {"device.key", "seal.key", "seal.pub"}
    assert not state.exists()


@pytest.mark.usefixtures("state")
def test_a_name_that_no_file_can_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / ("x" * 300))
    assert cli.main(["keys", "init", "--dir", folder]) == errors.MISSING
    assert "File name too long. Choose another directory" in capsys.readouterr().err
    assert cli.main(["keys", "list", "--dir", folder]) == errors.OK


# --- headgate token --------------------------------------------------------------------------------------------------


def mint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert cli.main(["token", *arguments]) == errors.OK
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return out.strip()


def test_token_hs256(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["keys", "init"])
    token = mint(capsys, "--sub", "sensor-1", "--scope", "publish:weather", "--scope", "read:*", "--ttl", "2 h")
    secret = base64url.decode((state / "keys/device.key").read_bytes().strip())
    claims = pyjwt.decode(token, secret, ["HS256"], audience="headgate", issuer="headgate")
    assert claims["exp"] - claims["iat"] == 7200
    assert abs(claims["iat"] - time.time()) < 60
    assert (claims["sub"], claims["scope"]) == ("sensor-1", "publish:weather read:*")
    assert cli.main(["token", "--verify", token]) == errors.OK
    assert capsys.readouterr().out.startswith("accepted\n")


def test_token_json(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["keys", "init"])
    document = json.loads(mint(capsys, "--sub", "a", "--audience", "other", "--json"))
    assert document["alg"] == "HS256"
    assert document["kid"] == keys.load_hs256(state / "keys/device.key").kid
    assert document["claims"]["aud"] == "other"
    assert cli.main(["token", "--verify", document["token"], "--json"]) == errors.FINDING
    verdict = json.loads(capsys.readouterr().out)
    assert (verdict["accepted"], verdict["code"], verdict["claim"]) == (False, "audience_wrong", "aud")
    assert verdict["unverified"]["claims"]["sub"] == "a"


def test_token_eddsa(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "headgate.toml").write_text(EDDSA_CONFIG)
    assert cli.main(["keys", "init", "--eddsa", "--dir", str(state / "keys")]) == errors.OK
    token = mint(capsys, "--sub", "a", "--scope", "publish:x", "--ttl", "1 h")
    public = ed25519.public_key(keys.load_private(state / "keys/device-eddsa.key"))
    header = pyjwt.get_unverified_header(token)
    assert header == {"alg": "EdDSA", "typ": "JWT", "kid": keys.thumbprint("EdDSA", public)}
    key = pyjwt.PyJWK({"kty": "OKP", "crv": "Ed25519", "x": base64url.encode(public).decode(), "alg": "EdDSA"})
    assert pyjwt.decode(token, key, ["EdDSA"], audience="headgate")["iss"] == "fleet"
    assert mint(
        capsys, "--sub", "a", "--ttl", "1 h", "--key", str(state / "keys/device-eddsa.key"), "--issuer", "fleet"
    )
    assert cli.main(["token", "--verify", token]) == errors.OK
    # max_ttl of the issuer
    assert cli.main(["token", "--sub", "a", "--ttl", "2 d"]) == errors.USAGE
    # a private key whose public half is not configured
    keys.create_pair(tmp_path / "stranger.key", seal=False)
    assert cli.main(["token", "--sub", "a", "--ttl", "1 h", "--key", str(tmp_path / "stranger.key")]) == errors.MISSING
    (state / "keys/device-eddsa.key").unlink()
    assert cli.main(["token", "--sub", "a", "--ttl", "1 h"]) == errors.MISSING


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--sub", ""],
        ["--sub", "a/b"],
        ["--sub", "x" * 65],
        ["--sub", "a", "--scope", "publish"],
        ["--sub", "a", "--scope", "publish:a b"],
        ["--sub", "a", "--scope", ":x"],
        ["--sub", "a", "--scope", "publish:" + "x" * 130],
        ["--sub", "a", *["--scope", "read:x"] * 33],
        ["--sub", "a", "--ttl", "30"],
        ["--sub", "a", "--ttl", "0 s"],
        ["--sub", "a", "--ttl", "99999 d"],
        ["--sub", "a", "--ttl", "1500 ms"],
        ["--sub", "a", "--issuer", "nobody"],
    ],
)
@pytest.mark.usefixtures("state")
def test_token_usage(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    cli.main(["keys", "init"])
    capsys.readouterr()
    assert cli.main(["token", *arguments]) == errors.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1


@pytest.mark.usefixtures("state")
def test_token_without_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["token", "--sub", "a"]) == errors.MISSING
    assert "headgate keys init" in capsys.readouterr().err


@pytest.mark.usefixtures("state")
def test_token_of_a_machine_without_time(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["keys", "init"])
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    assert cli.main(["token", "--sub", "a"]) == errors.FINDING
    assert "clock" in capsys.readouterr().err


def test_verify_explains(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["keys", "init"])
    key = keys.load_hs256(state / "keys/device.key")
    now = int(time.time())
    good: dict[str, Any] = {"iss": "headgate", "aud": "headgate", "sub": "a", "exp": now + 600}
    other = Key(key.kid, "HS256", b"z" * 32)
    for claims, signer, said in (
        ({**good, "exp": now - 86400 * 3}, key, "refused: token_expired [exp]"),
        ({**good, "nbf": now + 500}, key, "refused: token_not_yet_valid [nbf]"),
        (good, other, "refused: signature_invalid"),
        ({**good, "\x1b[2J": 1, "aud": "x\x1b[31m\u2028"}, key, '"x\\u001b[31m\\u2028"'),
        (good, key, "accepted"),
    ):
        capsys.readouterr()
        code = cli.main(["token", "--verify", sign_hs256(claims, signer).decode()])
        out = capsys.readouterr().out
        assert said in out
        assert out.isascii()
        assert all(line.startswith(("accepted", "refused: ", "  ")) for line in out.splitlines())
        assert "\x1b" not in out
        assert code == (errors.OK if said == "accepted" else errors.FINDING)
    for garbage in ("", "x", "a.b.c", "\ud800", "\u00e9", "." * 5000, "x" * (limits.TOKEN + 1)):
        capsys.readouterr()
        assert cli.main(["token", "--json", "--verify", garbage]) == errors.FINDING
        assert json.loads(capsys.readouterr().out)["code"] in ("token_malformed", "token_too_large")


def test_verify_from_standard_input(state: Path) -> None:
    keys.ensure_default_keys(state)
    run = [sys.executable, "-m", "headgate", "token"]
    token = subprocess.run([*run, "--sub", "a"], capture_output=True, text=True, check=True).stdout
    done = subprocess.run([*run, "--json", "--verify", "-"], input=token, capture_output=True, text=True, check=False)
    verdict = json.loads(done.stdout)
    # This process looks at the real clock, which may not be synchronised here.
    assert verdict["accepted"] or verdict["code"] == "clock_untrusted"


@pytest.mark.not_emulated(reason="the emulator's own file is where standard input was")
def test_verify_from_a_standard_input_that_is_closed(state: Path) -> None:
    keys.ensure_default_keys(state)
    closed = f"{shlex.quote(sys.executable)} -m headgate token --verify - <&-"
    done = subprocess.run(["sh", "-c", closed], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (errors.USAGE, "")
    assert done.stderr.startswith("headgate: standard input is closed")


@pytest.mark.usefixtures("state")
@pytest.mark.parametrize("audience", ["", "\udcff", "a\nb", "x" * 257])
def test_an_audience_that_no_issuer_could_have(audience: str, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["keys", "init"])
    assert cli.main(["token", "--sub", "a", "--audience", audience]) == errors.USAGE
    assert "--audience must be 1 to 256 printable characters" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["keys", "token"])
def test_help_teaches(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([verb, "--help"]) == errors.OK
    out = capsys.readouterr().out
    assert "examples\n  headgate " in out
    assert "exit codes" in out
    assert max(map(len, out.splitlines())) <= 100


def test_keys_that_the_configuration_lacks(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "headgate.toml").write_text(EDDSA_CONFIG)
    assert cli.main(["keys", "init", "--eddsa"]) == errors.CONFIG
    assert "--state" in capsys.readouterr().err
    assert cli.main(["keys", "init", "--eddsa", "--state", str(state)]) == errors.OK
    assert cli.main(["keys", "list"]) == errors.OK
