//! A WebDAV server of our own: Debian's Apache with mod_dav, a folder in a temporary place, a free port on loopback. It
//! lets in one user.
//!
//! Not here: what is tested on it. A machine without Apache fails those tests; `.ci/packages` installs it.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use recoup::model::channel::Secret;
use recoup::model::destination::{Address, DestinationSettings, Limits, WebDav};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);
const PROGRAM: &str = "/usr/sbin/apache2";
const MODULES: &[&str] = &[
    "mpm_event",
    "authn_core",
    "authn_file",
    "authz_core",
    "authz_user",
    "auth_basic",
    "auth_digest",
    "dav",
    "dav_fs",
    "dav_lock",
];
/// Who is let in.
pub const USER: &str = "backup";
/// What must never be told to anybody.
pub const PASSWORD: &str = "marker-of-the-password-3fa8";

/// A running server; it ends with it.
#[derive(Debug)]
pub struct Apache {
    process: Child,
    port: u16,
    folders: AtomicUsize,
    folder: TempDir,
}

impl Apache {
    /// The server of this test process; started by whoever asks first.
    pub fn shared() -> Arc<Apache> {
        static SHARED: Mutex<Weak<Apache>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Arc::new(Apache::start());
        *shared = Arc::downgrade(&server);
        server
    }

    /// Another server.
    pub fn start() -> Apache {
        Apache::with("AuthType Basic\nAuthName recoup\nAuthUserFile /etc/apache2/backup-users\nRequire valid-user\n")
    }

    /// One that wants a proof of the password, and not the password (RFC 7616, with MD5: Apache knows no other).
    pub fn with_digest() -> Apache {
        Apache::with(
            "AuthType Digest\nAuthName recoup\nAuthUserFile /etc/apache2/backup-digests\nAuthDigestDomain /dav\n\
             Require valid-user\n",
        )
    }

    /// One with these lines inside of its `<Location>`. The files of users that they name are replaced by ours.
    pub fn with(rules: &str) -> Apache {
        let folder = tempfile::Builder::new().prefix("recoup-apache-").tempdir().unwrap();
        for name in ["root/dav", "locks"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let users = Command::new("htpasswd").args(["-nb", USER, PASSWORD]).output().expect("htpasswd runs");
        fs::write(folder.path().join("users"), users.stdout).unwrap();
        let digests = format!("{USER}:recoup:{}\n", md5(&format!("{USER}:recoup:{PASSWORD}")));
        fs::write(folder.path().join("digests"), digests).unwrap();
        // Somebody else may take the port between our look and the server's.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let settings = folder.path().join("settings");
            fs::write(&settings, settings_of(folder.path(), port, rules)).unwrap();
            give_away(folder.path());
            let mut process = unprivileged()
                .arg("-f")
                .arg(&settings)
                .arg("-DFOREGROUND")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("Apache is installed (apt-get install apache2)");
            let begin = Instant::now();
            while begin.elapsed() < PATIENCE && process.try_wait().unwrap().is_none() {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Apache { process, port, folders: AtomicUsize::new(0), folder };
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            let _ = process.kill();
            let _ = process.wait();
        }
        panic!("Apache does not start: {}", fs::read_to_string(folder.path().join("log")).unwrap_or_default());
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A path that nobody used before; nothing is there.
    pub fn fresh(&self) -> String {
        format!("/dav/my folder {}", self.folders.fetch_add(1, Ordering::SeqCst))
    }

    /// Where a path is on this machine.
    pub fn on_disk(&self, path: &str) -> PathBuf {
        self.folder.path().join("root").join(path.trim_start_matches('/'))
    }

    /// See [`settings`].
    pub fn settings(&self, path: &str, port: u16) -> DestinationSettings {
        settings(path, port)
    }
}

/// A destination at a path, reached through a port: the server's own, or that of a proxy in front of it.
pub fn settings(path: &str, port: u16) -> DestinationSettings {
    DestinationSettings {
        name: "offsite".into(),
        address: Address::WebDav(WebDav {
            url: format!("http://127.0.0.1:{port}{}", path.replace(' ', "%20")),
            user: Some(USER.into()),
            password: Some(Secret::value(PASSWORD)),
            ca_file: None,
        }),
        keys: recoup::model::encryption::Keys::default(),
        layout: Default::default(),
        limits: Limits { timeout: Duration::from_secs(60), pause: Duration::from_millis(1), ..Limits::default() },
    }
}

impl Drop for Apache {
    fn drop(&mut self) {
        // SIGTERM: its children end with it.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

fn settings_of(folder: &Path, port: u16, rules: &str) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    let rules = rules.replace("/etc/apache2/backup-users", &at("users"));
    let rules = rules.replace("/etc/apache2/backup-digests", &at("digests"));
    let folder = folder.display();
    let modules: String = MODULES
        .iter()
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .collect();
    format!(
        "{modules}ServerName 127.0.0.1\nListen 127.0.0.1:{port}\nServerRoot {folder}\nPidFile {folder}/pid\n\
         DefaultRuntimeDir {folder}\nErrorLog {folder}/log\nDocumentRoot {folder}/root\nDavLockDB {folder}/locks/db\n\
         StartServers 1\nKeepAlive On\nTimeout 60\nLimitRequestBody 0\n\
         <Location /dav>\nDav On\n{rules}\n</Location>\n"
    )
}

fn md5(text: &str) -> String {
    let mut child = Command::new("md5sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Apache as somebody who may do little.
fn unprivileged() -> Command {
    if !is_root() {
        return Command::new(PROGRAM);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "www-data", "--regid", "www-data", "--clear-groups", "--", PROGRAM]);
    command
}

fn give_away(folder: &Path) {
    if is_root() {
        assert!(Command::new("chown").args(["-R", "www-data:www-data"]).arg(folder).status().unwrap().success());
    }
}
