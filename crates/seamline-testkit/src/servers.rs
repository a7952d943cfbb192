//! Real servers from Debian's packages, on loopback ports of their own, in folders that go with them: PostgreSQL and
//! nats-server. `None` where a program is not installed: a test says so and is passed over.

use crate::FixtureError;
use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to answer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn failed(program: &str, message: impl ToString) -> FixtureError {
    FixtureError::Program { program: program.into(), message: message.to_string() }
}

/// A port that was free a moment ago.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Waits until somebody listens there.
pub fn until_open(port: u16) -> Result<(), FixtureError> {
    let end = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > end {
            return Err(failed("server", format!("nobody listens on port {port}")));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// The program of that name: on the path, or where Debian puts servers.
fn find(name: &str, elsewhere: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::env::split_paths(&path).chain(elsewhere.iter().cloned());
    all.map(|dir| dir.join(name)).find(|p| p.is_file())
}

fn signal(child: &Child, name: &str) {
    let _ = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status(); // gone already is as good
}

/// A server that runs, or is stopped for a while.
struct Running {
    child: Option<Child>,
    port: u16,
}

impl Running {
    fn end(&mut self, how: &str) {
        if let Some(mut child) = self.child.take() {
            signal(&child, how);
            let _ = child.wait(); // it is ours and was told to end
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end("KILL");
    }
}

/// A nats-server with JetStream.
pub struct Nats {
    running: Running,
    program: PathBuf,
    dir: tempfile::TempDir,
}

impl Nats {
    /// Starts one; `None` where it is not installed.
    pub fn start() -> Result<Option<Self>, FixtureError> {
        let Some(program) = find("nats-server", &["/usr/sbin".into()]) else { return Ok(None) };
        let running = Running { child: None, port: free_port()? };
        let mut nats = Self { running, program, dir: tempfile::tempdir()? };
        nats.start_again()?;
        Ok(Some(nats))
    }

    /// Starts it where it was stopped, with what it kept.
    pub fn start_again(&mut self) -> Result<(), FixtureError> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(&self.program).args(["-a", "127.0.0.1", "-js", "-sd"]);
        command.arg(self.dir.path()).args(["-p", &self.running.port.to_string()]);
        self.running.child = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        until_open(self.running.port)
    }

    /// Stops it; what it kept stays.
    pub fn stop(&mut self) {
        self.running.end("TERM");
    }

    /// Throws away what it kept, while it is stopped.
    pub fn forget(&self) -> io::Result<()> {
        fs::remove_dir_all(self.dir.path())?;
        fs::create_dir(self.dir.path())
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.running.port)
    }
}

/// A PostgreSQL server with databases of its own.
pub struct Postgres {
    running: Running,
    bin: PathBuf,
    dir: tempfile::TempDir,
    databases: std::cell::Cell<u32>,
    durable: bool,
}

impl Postgres {
    /// Starts one; `None` where it is not installed. It survives being killed, not a power cut, and is quick.
    pub fn start() -> Result<Option<Self>, FixtureError> {
        Self::begin(false)
    }

    /// The same, and each commit is on the disk, as in use.
    pub fn start_durable() -> Result<Option<Self>, FixtureError> {
        Self::begin(true)
    }

    fn begin(durable: bool) -> Result<Option<Self>, FixtureError> {
        let mut debian: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
            .map(|all| all.flatten().map(|e| e.path().join("bin")).collect())
            .unwrap_or_default();
        debian.sort();
        debian.reverse();
        let Some(program) = find("initdb", &debian) else { return Ok(None) };
        // What stands on the path may be a link to it alone; the other programs are beside what it points to.
        let program = program.canonicalize()?;
        let bin = program.parent().unwrap_or(Path::new("/")).to_owned();
        let dir = tempfile::tempdir()?;
        if let Some((uid, gid)) = other_user() {
            std::os::unix::fs::chown(dir.path(), Some(uid), Some(gid))?;
        }
        let running = Running { child: None, port: free_port()? };
        let mut server = Self { running, bin, dir, databases: std::cell::Cell::new(0), durable };
        let mut init = server.command("initdb");
        init.args(["-U", "seamline", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"]);
        let out = init.arg(server.data()).output()?;
        if !out.status.success() {
            return Err(failed("initdb", String::from_utf8_lossy(&out.stderr)));
        }
        server.start_again()?;
        Ok(Some(server))
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A program of the server, as a user that may run it: it refuses root.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "INT"]).current_dir(self.dir.path());
        if let Some((uid, gid)) = other_user() {
            command.args([&format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups"]);
        }
        command.arg(self.bin.join(name));
        command
    }

    /// Starts it where it was stopped, with what it kept.
    pub fn start_again(&mut self) -> Result<(), FixtureError> {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.running.port.to_string()]);
        let fsync = if self.durable { "fsync=on" } else { "fsync=off" };
        for setting in
            ["listen_addresses=127.0.0.1", "unix_socket_directories=", fsync, "max_connections=200"]
        {
            command.args(["-c", setting]);
        }
        let log = fs::File::create(self.dir.path().join("log"))?;
        self.running.child = Some(command.stdout(Stdio::null()).stderr(log).spawn()?);
        let end = Instant::now() + PATIENCE;
        let ready = || {
            let mut command = self.command("pg_isready");
            command.args(["-q", "-h", "127.0.0.1", "-p", &self.running.port.to_string()]);
            command.status().is_ok_and(|s| s.success())
        };
        while !ready() {
            if Instant::now() > end {
                let log = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
                return Err(failed("postgres", log));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Stops it as an operator does: connections are cut, nothing is lost.
    pub fn stop(&mut self) {
        self.running.end("INT");
    }

    /// Stops it as a crash does.
    pub fn crash(&mut self) {
        self.running.end("QUIT");
    }

    /// A new, empty database: its URL.
    pub fn database(&self) -> Result<String, FixtureError> {
        let n = self.databases.get() + 1;
        self.databases.set(n);
        let name = format!("seen{n}");
        self.sql("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(format!("postgres://seamline@127.0.0.1:{}/{name}", self.running.port))
    }

    /// What a statement answers, as text.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String, FixtureError> {
        let mut command = self.command("psql");
        command.args([
            "-h",
            "127.0.0.1",
            "-U",
            "seamline",
            "-p",
            &self.running.port.to_string(),
            "-At",
            "-d",
        ]);
        let out = command.args([database, "-c", sql]).output()?;
        if !out.status.success() {
            return Err(failed("psql", String::from_utf8_lossy(&out.stderr)));
        }
        Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
    }
}

/// The user that the package made, where this is root.
fn other_user() -> Option<(u32, u32)> {
    let id = |args: &[&str]| -> Option<u32> {
        let out = Command::new("id").args(args).output().ok()?;
        String::from_utf8_lossy(&out.stdout).trim().parse().ok()
    };
    (id(&["-u"])? == 0).then(|| Some((id(&["-u", "postgres"])?, id(&["-g", "postgres"])?)))?
}
