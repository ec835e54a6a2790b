"""A PostgreSQL of the tests' own."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

ADMIN, ADMIN_PASSWORD = "admin", "of-the-tests"


@dataclass(frozen=True)
class Server:
    """A running cluster on the loopback address."""

    port: int

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """As its administrator, each statement a transaction of its own."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, dbname=database, user=ADMIN, password=ADMIN_PASSWORD, autocommit=True
        )


@pytest.fixture(scope="session")
def postgres():
    """A private cluster, for as long as the tests run. PostgreSQL refuses to run as root: then it runs as ``postgres``."""
    found = shutil.which("initdb") or next(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), None)
    if found is None:
        message = "PostgreSQL is not installed"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    programs = Path(found).resolve().parent
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    as_user = {"cwd": folder, "check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        (folder / "password").write_text(ADMIN_PASSWORD, encoding="utf-8")
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            as_user |= {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
            for path in (folder, folder / "password"):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        data = folder / "data"
        kind = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", ADMIN, f"--pwfile={folder / 'password'}", *kind], **as_user
        )
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off"
        control = [programs / "pg_ctl", "-D", data, "-w"]
        subprocess.run([*control, "-l", folder / "log", "-o", options, "start"], **as_user)
        try:
            yield Server(port)
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], **as_user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
