"""
`make install` and `make uninstall`: everything at its place below PREFIX, for the machine or for one person.

What was written is kept in a list beside the program, and that list is what is taken away again; configuration, state
and secrets stay.
"""

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import click
from click.testing import CliRunner

from ctl.cli import make_cli
from shipping.manual import pages
from shipping.payload import ROOT, lay_out

UNITS: Final = ROOT / "systemd"
SHIM: Final = ROOT / "concordiad/agent/shim.py"
LIST: Final = "installed"
COMPLETIONS: Final = {
    "bash": "share/bash-completion/completions/concordiactl",
    "zsh": "share/zsh/site-functions/_concordiactl",
    "fish": "share/fish/vendor_completions.d/concordiactl.fish",
}
DEBIAN_COMPLETIONS: Final = {**COMPLETIONS, "zsh": "share/zsh/vendor-completions/_concordiactl"}


class Place(NamedTuple):
    """
    Where an installation goes.

    Attributes:
        prefix: where it will be used.
        destination: what stands before every path while it is written; the file system's root by itself.
        is_personal: it is for one person, whose own service manager runs it.
    """

    prefix: Path
    destination: Path = Path("/")
    is_personal: bool = False

    @property
    def library(self) -> Path:
        """Where the program itself will be."""
        return self.prefix / "lib/concordia"

    def written(self, path: Path) -> Path:
        """Say where a path is while it is written."""
        return self.destination / path.relative_to("/")


def install(
    place: Place, interpreter: str, versions: Sequence[str] = (), completions: Mapping[str, str] = COMPLETIONS
) -> None:
    """Write an installation, in the place of one that is there."""
    uninstall(place)
    lay_out(
        place.written(place.library),
        place.written(place.prefix / "bin"),
        interpreter,
        versions,
        final=place.library,
    )
    listed = [place.prefix / "bin" / name for name in ("concordiad", "concordiactl")]
    for name, text in _files(place, completions):
        path = place.prefix / name
        _write(place.written(path), text)
        listed.append(path)
    _write(place.written(place.library / LIST), "".join(f"{path}\n" for path in listed))


def uninstall(place: Place) -> bool:
    """Take away what `install` has written; tells whether there was anything."""
    library = place.written(place.library)
    if not (library / LIST).exists():
        return False
    for line in (library / LIST).read_text(encoding="utf-8").splitlines():
        place.written(Path(line)).unlink(missing_ok=True)
    shutil.rmtree(library)
    return True


def _files(place: Place, completions: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Give every file besides the program: its path below the prefix, and what stands in it."""
    for path in sorted((UNITS / "user").iterdir()):
        yield f"{'share' if place.is_personal else 'lib'}/systemd/user/{path.name}", _unit(path, place)
    if not place.is_personal:
        for pattern in ("*.service", "*.socket"):
            for path in sorted(UNITS.glob(pattern)):
                yield f"lib/systemd/system/{path.name}", _unit(path, place)
        # At a place that does not change with Python's version.
        yield "lib/concordia/agent-shim.py", SHIM.read_text(encoding="utf-8")
        yield "lib/sysusers.d/concordia.conf", (UNITS / "concordia.sysusers").read_text(encoding="utf-8")
        yield "lib/tmpfiles.d/concordia.conf", (UNITS / "concordia.tmpfiles").read_text(encoding="utf-8")
    yield "share/doc/concordia/concordiad.toml", (UNITS / "concordiad.toml").read_text(encoding="utf-8")
    for name, text in pages().items():
        yield f"share/man/man{name.rpartition('.')[2]}/{name}", text
    for shell, name in completions.items():
        yield name, _completion(shell)


def _unit(path: Path, place: Place) -> str:
    text = path.read_text(encoding="utf-8").replace("=/usr/bin/concordiad", f"={place.prefix}/bin/concordiad")
    return text.replace("/usr/lib/concordia/", f"{place.library}/")


def _completion(shell: str) -> str:
    done = CliRunner().invoke(make_cli(), ["completion", shell], catch_exceptions=False)
    return done.output


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)


IN_A_HOME: Final = "`make clean`, then `make install PYTHON=/usr/bin/python3`"
SEARCHED: Final = (Path("/usr"), Path("/usr/local"))
"""The prefixes below which systemd looks for what others have installed: systemd.unit(5)."""
NEXT_FOR_ALL: Final = """\
Concordia is in {prefix}. As root, once:
  systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload
  install -D -m 644 {prefix}/share/doc/concordia/concordiad.toml /etc/concordia/concordiad.toml
  systemctl enable --now concordiad.socket concordia-agent.socket concordiad.service
Then `usermod -aG concordia NAME` lets somebody in, after their next login.
"""
NEXT_ELSEWHERE: Final = """\
Concordia is in {prefix}, where systemd does not look by itself (it does in /usr/local). As root, once:
  systemd-sysusers {prefix}/lib/sysusers.d/concordia.conf
  install -D -m 644 {prefix}/lib/tmpfiles.d/concordia.conf /etc/tmpfiles.d/concordia.conf && systemd-tmpfiles --create
  install -D -m 644 {prefix}/share/doc/concordia/concordiad.toml /etc/concordia/concordiad.toml
  systemctl link {prefix}/lib/systemd/system/concord*
  systemctl enable --now concordiad.socket concordia-agent.socket concordiad.service
Then `usermod -aG concordia NAME` lets somebody in, after their next login. Before `make uninstall`:
  systemctl stop 'concord*'
  (cd {prefix}/lib/systemd/system && systemctl disable concord*)
  rm /etc/tmpfiles.d/concordia.conf
"""
NEXT_FOR_ONE: Final = """\
Concordia is in {prefix}. Next:
  systemctl --user daemon-reload
  systemctl --user enable --now concordiad.socket concordiad.service
  loginctl enable-linger    # so that it runs while you are logged out
"""


@click.command()
@click.option("--prefix", type=click.Path(path_type=Path), required=True, help="Where it will be used.")
@click.option("--destdir", type=click.Path(path_type=Path), default=Path("/"), help="What stands before every path.")
@click.option("--personal", "is_personal", is_flag=True, help="For one person, with `systemctl --user`.")
@click.option("--uninstall", "is_leaving", is_flag=True, help="Take it away again.")
def main(prefix: Path, destdir: Path, is_personal: bool, is_leaving: bool) -> None:
    """Install Concordia below a prefix."""
    place = Place(prefix.absolute(), destdir.absolute(), is_personal)
    if is_leaving:
        if not uninstall(place):
            raise click.ClickException(f"there is no installation in {place.written(place.library)}")
        click.echo(f"Concordia is gone from {prefix}; configuration, state and secrets are still there.")
        return
    # The interpreter that the virtualenv here was made of, which may go any day.
    interpreter = f"{sys.base_prefix}/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
    if not is_personal and Path(interpreter).resolve().is_relative_to(Path.home()):
        click.echo(f"{interpreter} is in a home directory, which a service cannot see: {IN_A_HOME}", err=True)
    install(place, interpreter)
    for_all = NEXT_FOR_ALL if place.prefix in SEARCHED else NEXT_ELSEWHERE
    click.echo((NEXT_FOR_ONE if is_personal else for_all).format(prefix=place.prefix), nl=False)


if __name__ == "__main__":
    main()
