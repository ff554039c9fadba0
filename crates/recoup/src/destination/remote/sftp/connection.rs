//! A connection to an SFTP server: SSH (RFC 4253, 4252) with a host key that is known before, and the SFTP subsystem on
//! it, version 3 (draft-ietf-secsh-filexfer-02). Asked from any thread, inside another asynchronous runtime or not.
//!
//! Not here: keeping connections ([`super::pool`]) and what is asked on them.

use std::borrow::Cow;
use std::future::Future;
use std::net::Shutdown;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use russh::client::{AuthResult, Handle, Handler, KeyboardInteractiveAuthResponse};
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate, decode_secret_key};
use russh::{MethodKind, Preferred, cipher};
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::client::{Config, RawSftpSession};
use russh_sftp::protocol::StatusCode;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::super::failure::{Failure, Step};
use crate::error::{Error, ErrorKind, Result};
use crate::model::channel::Secret;
use crate::model::destination::Sftp;

/// What an answer of the server, or the lack of one, is.
pub(super) type Answer<T> = std::result::Result<T, SftpError>;

/// The library waits for ever; we measure silence ourselves.
const FOREVER: u64 = u64::MAX;
/// How much longer than usual the server may take to bring what it has to the disk. That the line is dead is noticed by
/// keep-alives meanwhile.
const SLOW: u32 = 20;

/// Ciphers, the one that processors help with first.
const CIPHERS: &[cipher::Name] =
    &[cipher::AES_256_GCM, cipher::CHACHA20_POLY1305, cipher::AES_256_CTR, cipher::AES_192_CTR, cipher::AES_128_CTR];

/// An open connection.
pub(super) struct Connection {
    /// What is asked on it.
    pub raw: Arc<RawSftpSession>,
    ssh: Handle<Believer>,
    _socket: Socket,
    runtime: tokio::runtime::Handle,
    silence: Duration,
    extensions: Vec<String>,
}

impl Connection {
    /// Connects, and proves who we are.
    pub fn open(to: &Sftp, host_key: &PublicKey, silence: Duration, runtime: &tokio::runtime::Handle) -> Step<Self> {
        let proof = Proof::of(to)?;
        block_on(runtime, async {
            let late = |_| Failure::passing(unreachable("timeout", to).because("it did not answer in time"));
            let (socket, mut ssh) = timeout(silence, greet(to, host_key, silence)).await.map_err(late)??;
            timeout(silence, authenticate(&mut ssh, to, proof)).await.map_err(late)??;
            let (raw, extensions) = timeout(silence, subsystem(&ssh, to)).await.map_err(late)??;
            Ok(Connection { raw: Arc::new(raw), ssh, _socket: socket, runtime: runtime.clone(), silence, extensions })
        })
    }

    /// Whether the server has a way to do something that version 3 lacks.
    pub fn offers(&self, extension: &str) -> bool {
        self.extensions.iter().any(|offered| offered == extension)
    }

    /// Whether it ended.
    pub fn is_closed(&self) -> bool {
        self.ssh.is_closed()
    }

    /// Waits for an answer as long as the other side may be silent.
    pub fn ask<T>(&self, question: impl Future<Output = Answer<T>>) -> Answer<T> {
        self.wait(self.silence, question)
    }

    /// The same for what takes long because the data must reach a disk.
    pub fn ask_slowly<T>(&self, question: impl Future<Output = Answer<T>>) -> Answer<T> {
        self.wait(self.silence.saturating_mul(SLOW), question)
    }

    fn wait<T>(&self, silence: Duration, question: impl Future<Output = Answer<T>>) -> Answer<T> {
        block_on(&self.runtime, async { timeout(silence, question).await.unwrap_or(Err(SftpError::Timeout)) })
    }

    /// Lets things go on as far as they can without waiting.
    pub fn nudge<T>(&self, mut poll: impl FnMut(&mut Context<'_>) -> T) -> T {
        block_on(&self.runtime, std::future::poll_fn(|context| Poll::Ready(poll(context))))
    }

    /// Says something whose answer does not matter.
    pub fn tell(&self, what: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(what);
    }
}

/// A second handle to the socket of a connection: when it goes nothing of the connection stays behind, however stuck it is.
struct Socket(std::net::TcpStream);

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Waits for a future without being a task of any runtime: a thread that belongs to another runtime may not enter a second
/// one, but may well wait.
fn block_on<T>(runtime: &tokio::runtime::Handle, future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let _timers_and_sockets = runtime.enter();
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

// --- the server proves itself ---

/// Reads a host key as `ssh-keyscan` or a `.pub` file prints it, with or without the host before it.
pub(super) fn host_key(text: &str) -> Result<PublicKey> {
    let wrong = || {
        Error::usage("bad_host_key", "host_key is not a host key of a kind that is understood")
            .hint("take a line of `ssh-keyscan HOST` that says ssh-ed25519 or ecdsa-sha2-nistp256")
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let kind =
        words.iter().position(|word| word.starts_with("ssh-") || word.starts_with("ecdsa-")).ok_or_else(wrong)?;
    let (kind, base64) = words.get(kind).zip(words.get(kind + 1)).ok_or_else(wrong)?;
    let key = PublicKey::from_openssh(&format!("{kind} {base64}")).map_err(|error| wrong().because(error))?;
    if Preferred::DEFAULT.key.contains(&key.algorithm()) { Ok(key) } else { Err(wrong()) }
}

/// Believes one host key.
struct Believer {
    believed: PublicKey,
}

/// Why a handshake ended.
#[derive(Debug)]
enum Ended {
    Differs(String),
    Ssh(russh::Error),
}

impl From<russh::Error> for Ended {
    fn from(error: russh::Error) -> Self {
        Ended::Ssh(error)
    }
}

impl Handler for Believer {
    type Error = Ended;

    async fn check_server_key(&mut self, offered: &PublicKeyOrCertificate) -> std::result::Result<bool, Ended> {
        match offered {
            PublicKeyOrCertificate::PublicKey { key, .. } if key.key_data() == self.believed.key_data() => Ok(true),
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                Err(Ended::Differs(format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256))))
            }
            PublicKeyOrCertificate::Certificate(_) => Err(Ended::Differs("a certificate".to_owned())),
        }
    }
}

fn differs(to: &Sftp, believed: &PublicKey, offered: &str) -> Failure {
    let text = format!("{} does not prove itself with the host key of the settings", to.host);
    let ours = format!("{} {}", believed.algorithm(), believed.fingerprint(HashAlg::Sha256));
    Failure::lasting(
        Error::new(ErrorKind::Denied, "host_key_differs", text)
            .because(format!("expected {ours}, it offers {offered}"))
            .hint(format!(
                "look with `ssh-keyscan -p {} {}` from a network that you trust, ask whoever runs the server, and only \
                 then change host_key",
                to.port, to.host
            )),
    )
}

async fn greet(to: &Sftp, host_key: &PublicKey, silence: Duration) -> Step<(Socket, Handle<Believer>)> {
    let stream = TcpStream::connect((to.host.as_str(), to.port)).await.map_err(|error| lost(to, error))?;
    let both = || {
        stream.set_nodelay(true)?;
        let socket = stream.into_std()?;
        Ok::<_, std::io::Error>((Socket(socket.try_clone()?), TcpStream::from_std(socket)?))
    };
    let (socket, stream) = both().map_err(|error| lost(to, error))?;
    // The kind that is believed first: a server with several keys then offers the right one.
    let mut kinds = vec![host_key.algorithm()];
    kinds.extend(Preferred::DEFAULT.key.iter().filter(|kind| **kind != host_key.algorithm()).cloned());
    let config = russh::client::Config {
        preferred: Preferred { key: Cow::Owned(kinds), cipher: Cow::Borrowed(CIPHERS), ..Preferred::DEFAULT },
        keepalive_interval: Some((silence / 4).max(Duration::from_secs(1))),
        keepalive_max: 2,
        ..russh::client::Config::default()
    };
    let believer = Believer { believed: host_key.clone() };
    let ssh = russh::client::connect_stream(Arc::new(config), stream, believer).await.map_err(|ended| match ended {
        Ended::Differs(offered) => differs(to, host_key, &offered),
        Ended::Ssh(russh::Error::NoCommonAlgo { kind, theirs, .. }) => Failure::lasting(
            unreachable("ssh_incompatible", to)
                .because(format!("no common {kind:?} algorithm; it offers {}", theirs.join(", "))),
        ),
        Ended::Ssh(error) => lost(to, error),
    })?;
    Ok((socket, ssh))
}

// --- we prove ourselves ---

/// How we prove who we are.
enum Proof {
    Key(Box<PrivateKey>),
    Password(String),
}

impl Proof {
    fn of(to: &Sftp) -> Result<Self> {
        let Some(key) = &to.key else {
            let password = to.password.as_ref().map(reveal).transpose()?.unwrap_or_default();
            return Ok(Proof::Password(password));
        };
        let passphrase = to.key_passphrase.as_ref().map(reveal).transpose()?;
        let key = decode_secret_key(&key.reveal(read)?, passphrase.as_deref()).map_err(|error| {
            let (code, text, hint) = match (&error, &passphrase) {
                (russh::keys::Error::KeyIsEncrypted, None) => (
                    "key_locked",
                    "The private key is locked",
                    "key_passphrase_file = \"…\" names a file with its passphrase",
                ),
                (_, Some(_)) => {
                    ("bad_key_file", "The private key cannot be opened", "is it the right key, and its passphrase?")
                }
                _ => ("bad_key_file", "Not a private key that is understood", "make one with `ssh-keygen -t ed25519`"),
            };
            Error::new(ErrorKind::Denied, code, text).because(error.to_string()).hint(hint)
        })?;
        Ok(Proof::Key(Box::new(key)))
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| Error::at("reading", path, e))
}

/// A secret, without the end of the line that editors put into a file.
fn reveal(secret: &Secret) -> Result<String> {
    Ok(secret.reveal(read)?.trim_end_matches(['\r', '\n']).to_owned())
}

async fn authenticate(ssh: &mut Handle<Believer>, to: &Sftp, proof: Proof) -> Step<()> {
    let done = match proof {
        Proof::Key(key) => {
            let key = PrivateKeyWithHashAlg::new(Arc::new(*key), None);
            ssh.authenticate_publickey(to.user.as_str(), key).await.map_err(|error| lost(to, error))?.success()
        }
        Proof::Password(password) => match ssh.authenticate_password(to.user.as_str(), password.as_str()).await {
            Ok(AuthResult::Failure { remaining_methods, .. })
                if remaining_methods.contains(&MethodKind::KeyboardInteractive) =>
            {
                answer_prompts(ssh, to, &password).await?
            }
            result => result.map_err(|error| lost(to, error))?.success(),
        },
    };
    match done {
        true => Ok(()),
        // The library cannot tell a lost connection from a refusal.
        false if ssh.is_closed() => Err(lost(to, "it closed the connection")),
        false => Err(Failure::lasting(
            Error::new(ErrorKind::Denied, "destination_denied", "The destination does not let us in")
                .because(format!("{} refuses the key or password of {}", to.host, to.user)),
        )),
    }
}

/// Servers that ask instead of taking a password ask for the password.
async fn answer_prompts(ssh: &mut Handle<Believer>, to: &Sftp, password: &str) -> Step<bool> {
    let mut answer = ssh.authenticate_keyboard_interactive_start(to.user.as_str(), None).await;
    for _ in 0..4 {
        let prompts = match answer.map_err(|error| lost(to, error))? {
            KeyboardInteractiveAuthResponse::Success => return Ok(true),
            KeyboardInteractiveAuthResponse::Failure { .. } => return Ok(false),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => prompts,
        };
        let answers = prompts.iter().map(|_| password.to_owned()).collect();
        answer = ssh.authenticate_keyboard_interactive_respond(answers).await;
    }
    Ok(false)
}

// --- SFTP ---

async fn subsystem(ssh: &Handle<Believer>, to: &Sftp) -> Step<(RawSftpSession, Vec<String>)> {
    let refused = |why: String| {
        let text = format!("{} has no SFTP for us", to.host);
        Failure::lasting(Error::new(ErrorKind::Unsupported, "no_sftp", text).because(why))
    };
    let told = |error: russh::Error| match error {
        russh::Error::ChannelOpenFailure(why) => refused(format!("{why:?}")),
        error => lost(to, error),
    };
    let channel = ssh.channel_open_session().await.map_err(told)?;
    channel.request_subsystem(false, "sftp").await.map_err(told)?;
    let config = Config { request_timeout_secs: FOREVER, ..Config::default() };
    let raw = RawSftpSession::new_with_config(channel.into_stream(), config);
    let version = raw.init().await.map_err(|error| match ssh.is_closed() {
        true => lost(to, error),
        // The channel ended and the connection did not.
        false => refused(error.to_string()),
    })?;
    Ok((raw, version.extensions.into_keys().collect()))
}

// --- errors ---

fn unreachable(code: &'static str, to: &Sftp) -> Error {
    Error::new(ErrorKind::Unreachable, code, format!("Cannot reach {}", to.host))
}

fn lost(to: &Sftp, why: impl ToString) -> Failure {
    Failure::passing(unreachable("unreachable", to).because(why.to_string()))
}

/// Whether the server says that there is no such file.
pub(super) fn missing(error: &SftpError) -> bool {
    status(error) == Some(StatusCode::NoSuchFile)
}

/// Whether the server offers something and then does not do it: the file system cannot, or somebody forbade it.
pub(super) fn withheld(error: &SftpError) -> bool {
    matches!(status(error), Some(StatusCode::OpUnsupported | StatusCode::PermissionDenied))
}

/// What the server says; `None` when it does not say anything any more.
pub(super) fn status(error: &SftpError) -> Option<StatusCode> {
    match error {
        SftpError::Status(status) => match status.status_code {
            StatusCode::NoConnection | StatusCode::ConnectionLost => None,
            code => Some(code),
        },
        _ => None,
    }
}

/// An answer without success, for people. `what` is what was asked for.
pub(super) fn failed(error: SftpError, what: impl Into<String>) -> Failure {
    let (kind, code, text) = match (status(&error), &error) {
        (Some(StatusCode::NoSuchFile), _) => {
            (ErrorKind::NotFound, "object_missing", "The destination does not have it")
        }
        (Some(StatusCode::PermissionDenied), _) => {
            (ErrorKind::Denied, "destination_denied", "The destination does not allow it")
        }
        (Some(StatusCode::OpUnsupported), _) => {
            (ErrorKind::Unsupported, "destination_unsupported", "The destination cannot do it")
        }
        (Some(_), _) | (None, SftpError::Limited(_)) => {
            (ErrorKind::Failed, "destination_refused", "The destination refused the request")
        }
        (None, SftpError::Timeout) => (ErrorKind::Unreachable, "timeout", "The destination did not answer in time"),
        (None, _) => (ErrorKind::Unreachable, "connection_lost", "The connection was lost"),
    };
    Failure::from(Error::new(kind, code, text).because(error.to_string()).while_(what))
}
