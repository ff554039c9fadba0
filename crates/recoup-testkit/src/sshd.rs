//! An SFTP server of our own: Debian's sshd with its internal SFTP, keys made for it, a folder in a temporary place, a free
//! port on loopback. It lets in the user that runs the tests, and nobody else.
//!
//! Not here: what is tested on it, and lines that break ([`crate::cutting`]). A machine without sshd fails those tests;
//! `.ci/packages` installs it.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use recoup::model::channel::Secret;
use recoup::model::destination::{Address, DestinationSettings, Limits, Sftp};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);
/// What the private key `locked` is locked with.
pub const PASSPHRASE: &str = "marker-of-the-passphrase-c1f2";
/// What the server of [`Sshd::with_password`] wants to hear.
pub const PASSWORD: &str = "marker-of-the-password-9d41";

/// A running server; it and its sessions end with it.
#[derive(Debug)]
pub struct Sshd {
    process: Child,
    port: u16,
    user: String,
    folder: TempDir,
}

/// What a server is like.
#[derive(Debug, Default, Clone, Copy)]
struct Nature<'a> {
    /// Options of the internal SFTP server.
    sftp: &'a str,
    /// Size of a small disk that the data is on.
    disk: Option<&'a str>,
    password: bool,
    /// Who is let in, instead of who runs the tests.
    user: Option<&'a str>,
}

impl Sshd {
    /// The server of this test process; started by whoever asks first.
    pub fn shared() -> Arc<Sshd> {
        static SHARED: Mutex<Weak<Sshd>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Arc::new(Sshd::start());
        *shared = Arc::downgrade(&server);
        server
    }

    /// Another server.
    pub fn start() -> Sshd {
        Sshd::of(Nature::default())
    }

    /// One whose data is on a disk of this size (`8m`). Only root can have one.
    pub fn on_small_disk(size: &str) -> Sshd {
        Sshd::of(Nature { disk: Some(size), ..Nature::default() })
    }

    /// One that takes [`PASSWORD`] and no key. Only root can have one: passwords are root's business.
    pub fn with_password() -> Sshd {
        Sshd::of(Nature { password: true, ..Nature::default() })
    }

    /// One whose SFTP has options of its own (`-P remove -u 0377`), and which lets in `nobody` when we are root: root may do
    /// everything.
    pub fn restricted(options: &str) -> Sshd {
        Sshd::of(Nature { sftp: options, user: is_root().then_some("nobody"), ..Nature::default() })
    }

    fn of(nature: Nature<'_>) -> Sshd {
        let folder = tempfile::Builder::new().prefix("recoup-sshd-").tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("data")).unwrap();
        for (key, passphrase) in [("host", ""), ("key", ""), ("locked", PASSPHRASE), ("stranger", "")] {
            generate(&at(key), passphrase);
        }
        let keys = ["key.pub", "locked.pub"].map(|key| fs::read_to_string(at(key)).unwrap()).concat();
        fs::write(at("authorized_keys"), keys).unwrap();
        if is_root() {
            // The server wants an empty place of root's to lock itself into.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let user = nature.user.map_or_else(name_of_user, str::to_owned);
        if let Some(user) = nature.user {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
            assert!(Command::new("chown").arg("-R").arg(user).arg(folder.path()).status().unwrap().success());
        }
        // Somebody else may take the port between our look and the server's.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            fs::write(at("config"), config(folder.path(), port, nature)).unwrap();
            let log = fs::File::create(at("log")).unwrap();
            let mut process = command(folder.path(), nature)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .expect("sshd starts");
            if answers(&mut process, port) {
                return Sshd { process, port, user, folder };
            }
            let _ = process.kill();
            let _ = process.wait();
        }
        panic!("sshd does not start (apt-get install openssh-server): {}", fs::read_to_string(at("log")).unwrap());
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whom it lets in.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Where it keeps what it is given. Of one on a small disk nothing is seen here: see [`Sshd::seen`].
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The data as the server itself sees it.
    pub fn seen(&self) -> PathBuf {
        let data = self.data();
        PathBuf::from(format!("/proc/{}/root", self.process.id())).join(data.strip_prefix("/").unwrap())
    }

    /// A private key: `key`, `locked` (by [`PASSPHRASE`]), `stranger` (not let in).
    pub fn key(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What it proves itself with.
    pub fn host_key(&self) -> String {
        fs::read_to_string(self.folder.path().join("host.pub")).unwrap().trim().to_owned()
    }

    /// A host key of somebody else.
    pub fn other_host_key(&self) -> String {
        fs::read_to_string(self.folder.path().join("stranger.pub")).unwrap().trim().to_owned()
    }

    /// A folder of it as a destination, with the usual key, patient attempts and short pauses.
    pub fn settings(&self, path: &str) -> DestinationSettings {
        self.settings_with(path, |_| {})
    }

    /// The same with changes.
    pub fn settings_with(&self, path: &str, change: impl FnOnce(&mut Sftp)) -> DestinationSettings {
        let mut sftp = Sftp {
            host: "127.0.0.1".into(),
            port: self.port,
            user: self.user.clone(),
            path: self.data().join(path).to_str().unwrap().into(),
            host_key: self.host_key(),
            key: Some(Secret::file(self.key("key"))),
            key_passphrase: None,
            password: None,
        };
        change(&mut sftp);
        let limits = Limits { timeout: Duration::from_secs(20), pause: Duration::from_millis(2), ..Limits::default() };
        DestinationSettings {
            name: "offsite".into(),
            address: Address::Sftp(sftp),
            limits,
            keys: recoup::model::encryption::Keys::default(),
            layout: Default::default(),
        }
    }

    /// The processes of its connections.
    pub fn sessions(&self) -> Vec<u32> {
        children(self.process.id())
    }

    /// Ends its connections at once, whatever they are doing.
    pub fn kill_sessions(&self) -> usize {
        let sessions = self.sessions();
        for session in &sessions {
            for below in children(*session) {
                kill(below);
            }
            kill(*session);
        }
        sessions.len()
    }

    /// Ends the server and its connections; its keys stay.
    pub fn stop(&mut self) {
        // Sessions live on without their server.
        let sessions = self.sessions();
        let _ = self.process.kill();
        let _ = self.process.wait();
        for session in sessions {
            for below in children(session) {
                kill(below);
            }
            kill(session);
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

fn kill(process: u32) {
    let _ = Command::new("kill").args(["-KILL", &process.to_string()]).stderr(Stdio::null()).status();
}

fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let child_of = |process: &u32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        after_name.split_whitespace().nth(1) == Some(&parent.to_string())
    };
    processes.filter(child_of).collect()
}

/// Whether we may do what only root may.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn name_of_user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn generate(path: &Path, passphrase: &str) {
    // Few rounds: locking is not what is tested.
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-a", "1", "-C", "test", "-N", passphrase, "-f"])
        .arg(path)
        .status()
        .expect("ssh-keygen is needed (apt-get install openssh-server)");
    assert!(made.success());
}

fn config(folder: &Path, port: u16, nature: Nature<'_>) -> String {
    let folder = folder.display();
    let password = if nature.password { "yes" } else { "no" };
    let key = if nature.password { "no" } else { "yes" };
    format!(
        "ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized_keys\n\
         PidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication {password}\n\
         PubkeyAuthentication {key}\nKbdInteractiveAuthentication no\nMaxStartups 200\nLogLevel INFO\n\
         Subsystem sftp internal-sftp\nForceCommand internal-sftp {}\n",
        nature.sftp
    )
}

fn command(folder: &Path, nature: Nature<'_>) -> Command {
    let mut words: Vec<String> = Vec::new();
    let mut script = String::new();
    if let Some(size) = nature.disk {
        script += &format!("mount -t tmpfs -o size={size},mode=0755 none {}/data && ", folder.display());
    }
    if nature.password {
        // A user's password is replaced where only this server sees it.
        let shadow = folder.join("shadow");
        let hash = Command::new("perl").args(["-e", "print crypt($ARGV[0], '$6$recoup$')", PASSWORD]).output().unwrap();
        let hash = String::from_utf8(hash.stdout).unwrap();
        fs::write(&shadow, format!("{}:{hash}:19000:0:99999:7:::\n", name_of_user())).unwrap();
        fs::set_permissions(&shadow, fs::Permissions::from_mode(0o600)).unwrap();
        script += &format!("mount --bind {} /etc/shadow && ", shadow.display());
    }
    if !script.is_empty() {
        script += "exec \"$0\" \"$@\"";
        words.extend(["unshare", "--mount", "sh", "-c", &script].map(str::to_owned));
    }
    // It starts itself again for each connection and needs its whole name for that.
    words.extend(["/usr/sbin/sshd", "-D", "-e", "-f"].map(str::to_owned));
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).arg(folder.join("config"));
    command
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
