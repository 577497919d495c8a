"""`make deb`: the Debian package, for the machine's architecture, written to dist/."""

import gzip
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import click

import concordiad
from shipping.install import DEBIAN_COMPLETIONS, UNITS, Place, install
from shipping.payload import ROOT

CONTROL: Final = Path(__file__).with_name("debian")
SCRIPTS: Final = ("postinst", "prerm", "postrm")
VERSIONS: Final = ("3.11", "3.12", "3.13")
"""Of Debian's and Ubuntu's Python: compiled modules for each are in the package."""
BEYOND: Final = "3.14"
MAINTAINER: Final = "The Concordia authors <concordia@localhost>"
PYTHON: Final = "/usr/bin/python3"
CONFIGURATION: Final = "etc/concordia/concordiad.toml"


def build(directory: Path, version: str, compression: str) -> Path:
    """Build the package of a version; returns its file."""
    architecture = _said_by("dpkg", "--print-architecture")
    package = directory / f"concordia_{version}_{architecture}.deb"
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        tree = Path(temporary) / "tree"
        install(Place(Path("/usr"), tree), PYTHON, VERSIONS, DEBIAN_COMPLETIONS)
        _adjust(tree)
        _write_control(tree, version, architecture)
        # Who builds it has an umask of their own.
        subprocess.run(["chmod", "-R", "u=rwX,go=rX", str(tree)], check=True)
        # It has its name when it is whole: half of one would look the same.
        half = package.with_suffix(".half")
        command = ["dpkg-deb", "--root-owner-group", f"-Z{compression}", "--build", str(tree), str(half)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        half.replace(package)
    return package


def _adjust(tree: Path) -> None:
    """Have things where Debian has them."""
    # dpkg has its own list.
    (tree / "usr/lib/concordia/installed").unlink()
    for page in sorted((tree / "usr/share/man").glob("man*/*")):
        # Without its name and its time, so that the same sources give the same package.
        page.with_name(f"{page.name}.gz").write_bytes(gzip.compress(page.read_bytes(), mtime=0))
        page.unlink()
    documents = tree / "usr/share/doc/concordia"
    shutil.copyfile(CONTROL / "copyright", documents / "copyright")
    with (documents / "copyright").open("a", encoding="utf-8") as copyright_file:
        text = (ROOT / "LICENSE").read_text(encoding="utf-8")
        copyright_file.writelines(f" {line}\n" if line else " .\n" for line in text.splitlines())
    configuration = tree / CONFIGURATION
    configuration.parent.mkdir(parents=True)
    shutil.copyfile(UNITS / "concordiad.toml", configuration)


def _write_control(tree: Path, version: str, architecture: str) -> None:
    files = sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    size = sum(path.stat().st_size for path in files)
    sums = [f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(tree)}\n" for path in files]  # noqa: S324  # dpkg's format
    control = tree / "DEBIAN"
    control.mkdir()
    filled = (
        (CONTROL / "control")
        .read_text(encoding="utf-8")
        .format(
            version=version,
            architecture=architecture,
            maintainer=MAINTAINER,
            installed_kib=-(-size // 1024),
            oldest=VERSIONS[0],
            beyond=BEYOND,
        )
    )
    (control / "control").write_text(filled, encoding="utf-8")
    (control / "md5sums").write_text("".join(line for line in sums if CONFIGURATION not in line), encoding="utf-8")
    shutil.copyfile(CONTROL / "conffiles", control / "conffiles")
    for name in SCRIPTS:
        shutil.copyfile(CONTROL / name, control / name)
        (control / name).chmod(0o755)


def _said_by(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@click.command()
@click.option("--directory", type=click.Path(path_type=Path), default=ROOT / "dist", help="Where the package goes.")
@click.option("--version", default=concordiad.__version__, show_default=True, help="The package's version.")
@click.option("--compression", default="xz", show_default=True, help="As dpkg-deb's -Z.")
def main(directory: Path, version: str, compression: str) -> None:
    """Build the Debian package."""
    click.echo(build(directory, version, compression))


if __name__ == "__main__":
    main()
