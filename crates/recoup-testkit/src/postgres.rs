//! A PostgreSQL of our own: Debian's programs, a folder in a temporary place, a free port on loopback. Its databases sort
//! as people in America do, not by bytes, because a catalog must not count on either.
//!
//! Not here: what is tested on it. A machine without PostgreSQL fails those tests; `.ci/packages` installs it.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// A running server, stopped when the last user lets go.
#[derive(Debug)]
pub struct Server {
    process: Child,
    port: u16,
    databases: AtomicUsize,
    _folder: TempDir,
}

impl Server {
    /// The server of this test process; started by whoever asks first.
    pub fn shared() -> Arc<Server> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Arc::new(Server::start());
        *shared = Arc::downgrade(&server);
        server
    }

    /// Another server.
    pub fn start() -> Server {
        let folder = tempfile::Builder::new().prefix("recoup-postgres-").tempdir().unwrap();
        let data = folder.path().join("data");
        give_away(folder.path());
        copy_of_template(&data);
        // Somebody else may take the port between our look and the server's.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let log = fs::File::create(folder.path().join("log")).unwrap();
            let mut process = unprivileged("postgres")
                .arg("-D")
                .arg(&data)
                .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"])
                .args(["-c", "full_page_writes=off", "-c", "max_connections=200", "-c", "shared_buffers=32MB"])
                .args(["-c", "deadlock_timeout=100ms", "-p", &port.to_string()])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .expect("PostgreSQL starts");
            if answers(&mut process, port) {
                return Server { process, port, databases: AtomicUsize::new(0), _folder: folder };
            }
            let _ = process.kill();
            let _ = process.wait();
        }
        panic!("PostgreSQL does not start: {}", fs::read_to_string(folder.path().join("log")).unwrap_or_default());
    }

    /// The URL of a database that nobody used before.
    pub async fn database(&self) -> String {
        let name = match self.databases.fetch_add(1, Ordering::SeqCst) {
            // The one that every cluster has; making another takes a second.
            0 => return self.url("postgres"),
            n => format!("fresh_{n}"),
        };
        self.tell(&format!("CREATE DATABASE {name}")).await;
        self.url(&name)
    }

    /// The URL of a database by its name.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://recoup@127.0.0.1:{}/{database}", self.port)
    }

    /// Says something to the server itself.
    pub async fn tell(&self, sql: &str) {
        use sqlx::{Connection, Executor};
        sqlx::any::install_default_drivers();
        let begin = Instant::now();
        let mut connection = loop {
            match sqlx::AnyConnection::connect(&self.url("postgres")).await {
                // It listens before it is ready.
                Err(_) if begin.elapsed() < PATIENCE => tokio::time::sleep(Duration::from_millis(10)).await,
                connection => break connection.unwrap(),
            }
        };
        connection.execute(sqlx::AssertSqlSafe(sql.to_owned())).await.unwrap();
        connection.close().await.unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT: at once, without a checkpoint; SIGKILL would leave its children.
        let pid = self.process.id().to_string();
        let _ = Command::new("kill").args(["-QUIT", &pid]).status();
        let _ = self.process.wait();
    }
}

/// Debian keeps the programs of each version in a folder of their own, outside of the path.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed (apt-get install postgresql)");
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            path.join("bin/initdb").exists().then(|| (version, path.join("bin")))
        })
        .collect();
    found.sort();
    found.pop().expect("PostgreSQL is installed (apt-get install postgresql)").1
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// One of PostgreSQL's programs; it refuses to be run by root.
fn unprivileged(program: &str) -> Command {
    let program = programs().join(program);
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--"]).arg(program);
    command
}

fn give_away(folder: &Path) {
    if is_root() {
        // What lies inside was made, or copied, as that user's.
        assert!(Command::new("chown").arg("postgres:postgres").arg(folder).status().unwrap().success());
    }
}

/// Making a cluster takes a second, copying one does not: it is made once and kept beside the tests.
fn copy_of_template(data: &Path) {
    let version = programs();
    let version = version.parent().and_then(Path::file_name).unwrap().to_string_lossy().into_owned();
    let beside = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let template = beside.join(format!("postgres-{version}-template"));
    if !template.join("PG_VERSION").exists() {
        let folder = tempfile::Builder::new().prefix("recoup-initdb-").tempdir().unwrap();
        give_away(folder.path());
        let made = folder.path().join("data");
        let output = unprivileged("initdb")
            .arg("-D")
            .arg(&made)
            .args(["--username=recoup", "--auth=trust", "--encoding=UTF8", "--no-sync", "--wal-segsize=1"])
            .args(["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"])
            .output()
            .expect("initdb runs");
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        let mine = beside.join(format!("postgres-{version}-{}", std::process::id()));
        copy(&made, &mine);
        // Another test may have been faster; then ours goes.
        if fs::rename(&mine, &template).is_err() {
            fs::remove_dir_all(&mine).unwrap();
        }
    }
    copy(&template, data);
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

/// Whether the server takes connections before it ends or half a minute is over.
fn answers(process: &mut Child, port: u16) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if process.try_wait().unwrap().is_some() {
            return false;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}
