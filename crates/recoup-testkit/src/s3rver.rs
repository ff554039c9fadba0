//! Another S3 service: `s3rver` from npm, which keeps objects on the disk and checks signatures; for sizes and speeds that
//! moto, which keeps them in memory, is not made for. The variable `S3RVER` names its program.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use recoup::model::channel::Secret;
use recoup::model::destination::{Address, DestinationSettings};

const PATIENCE: Duration = Duration::from_secs(60);
/// The only bucket.
pub const BUCKET: &str = "bench";
/// Who is let in, and the proof of it.
pub const KEY: &str = "S3RVER";

/// A running server; it ends with it.
#[derive(Debug)]
pub struct S3rver {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl S3rver {
    /// A server with an empty bucket.
    pub fn start() -> Self {
        let program =
            std::env::var_os("S3RVER").expect("S3RVER names the program (make soak and make bench-remote do)");
        let folder = tempfile::Builder::new().prefix("recoup-s3rver-").tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        command.args(["-s", "-a", "127.0.0.1", "-p", &port.to_string(), "--no-vhost-buckets"]);
        command.args(["--configure-bucket", BUCKET, "-d"]).arg(folder.path());
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let process = process.expect("s3rver starts");
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begin.elapsed() < PATIENCE, "s3rver does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        S3rver { process, port, _folder: folder }
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// Its bucket as a destination.
pub fn settings(port: u16) -> DestinationSettings {
    let mut settings = crate::moto::settings(BUCKET, port);
    if let Address::S3(to) = &mut settings.address {
        (to.access_key, to.secret_key) = (Secret::value(KEY), Secret::value(KEY));
    }
    settings
}

impl Drop for S3rver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
