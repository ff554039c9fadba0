//! A strict stand-in for the parts of Google Drive v3 and of Google's OAuth that Recoup uses, on loopback: it refuses what
//! Drive refuses, and does on demand what the net does. Google's own client for Python passes against it, too
//! (`crates/recoup/tests/drive_stand_in.rs`), so that it stays honest.
//!
//! Every token that it gives out has `MARKER` in it.

pub mod browser;
mod fields;
mod files;
mod http;
mod oauth;
mod sessions;

use std::io::BufReader;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use recoup::destination::drive::Ask;
use recoup::model::channel::Secret;
use recoup::model::destination::{self, Address, DestinationSettings, Limits};
use recoup::progress::Context;

use files::Files;
pub use files::{File, ROOT};
use http::{Answer, Request, read_body, read_head, write};
use oauth::Accounts;
pub use oauth::SCOPE;
use sessions::Sessions;

/// The application that the stand-in knows, and its secret.
pub const CLIENT: &str = "recoup-client.apps.example.org";
pub const CLIENT_SECRET: &str = "MARKER-client-secret-5d0a";
/// The service account that it knows.
pub const ROBOT: &str = "robot@project.iam.example.org";
/// The shared drive that it has.
pub const SHARED: &str = "0SharedDrive";

/// What goes wrong.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// Only so many bytes of the request's body are taken, then the line breaks.
    CutRequest(u64),
    /// The work is done, and only so many bytes of the answer's body come.
    CutAnswer(u64),
    /// The work is done, and no answer comes at all.
    LoseAnswer,
    /// Nothing is done: status, reason, seconds of `Retry-After`.
    Refuse(u16, &'static str, Option<u64>),
}

struct Fault {
    on: String,
    skip: usize,
    times: usize,
    trouble: Trouble,
}

/// Everything that it knows.
#[derive(Default)]
pub struct State {
    files: Files,
    accounts: Accounts,
    sessions: Sessions,
    faults: Vec<Fault>,
    heard: Vec<String>,
}

/// The stand-in. It listens until the test ends.
pub struct Google {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    folder: tempfile::TempDir,
}

impl Default for Google {
    fn default() -> Self {
        Google::start()
    }
}

impl Google {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut state = State::default();
        state.files.page = 1000;
        state.files.limit = Some(15 << 30);
        state.files.shared = vec![SHARED.to_owned()];
        state.accounts.clients.insert(CLIENT.to_owned(), CLIENT_SECRET.to_owned());
        (state.accounts.browser_agrees, state.accounts.device_answers) = (true, (1, true));
        state.accounts.scopes = SCOPE.to_owned();
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (state, stream) = (shared.clone(), stream.unwrap());
                thread::spawn(move || serve(stream, &state, address));
            }
        });
        Google { address, state, folder: tempfile::tempdir().unwrap() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// A destination in it; nobody has signed in yet.
    pub fn unconnected(&self, name: &str) -> DestinationSettings {
        let drive = destination::Drive {
            folder: "Recoup".into(),
            shared_drive: None,
            client_id: Some(CLIENT.into()),
            client_secret: Some(Secret::value(CLIENT_SECRET)),
            service_account: None,
            token_file: self.folder.path().join(format!("config/{name}.drive-token")),
            token_key: self.folder.path().join("data/keys/drive.key"),
            endpoint: self.url(""),
            auth_endpoint: self.url("/o/oauth2/v2/auth"),
            token_endpoint: self.url("/token"),
        };
        let limits = Limits {
            timeout: std::time::Duration::from_secs(20),
            pause: std::time::Duration::from_millis(1),
            ..Limits::default()
        };
        DestinationSettings {
            name: name.into(),
            address: Address::Drive(drive),
            limits,
            keys: recoup::model::encryption::Keys::default(),
            layout: Default::default(),
        }
    }

    /// A destination that somebody has signed in to, by a browser.
    pub fn connected(&self, name: &str) -> DestinationSettings {
        let settings = self.unconnected(name);
        connect(&settings);
        settings
    }

    /// A destination that a service account opens.
    pub fn with_service_account(&self, name: &str) -> DestinationSettings {
        let (file, public) = oauth::robot_key(ROBOT, &self.url("/token"));
        let path = self.folder.path().join("robot.json");
        std::fs::write(&path, file).unwrap();
        self.state().accounts.robots.insert(ROBOT.to_owned(), public);
        let mut settings = self.unconnected(name);
        if let Address::Drive(drive) = &mut settings.address {
            (drive.client_id, drive.client_secret) = (None, None);
            drive.service_account = Some(Secret::file(path));
        }
        settings
    }

    /// The same as `recoup.toml` has it, without limits.
    pub fn toml(&self, name: &str) -> String {
        format!(
            "[destination.{name}]\ntype = \"drive\"\nclient_id = \"{CLIENT}\"\nclient_secret = \"{CLIENT_SECRET}\"\n\
             endpoint = \"{}\"\nauth_endpoint = \"{}\"\ntoken_endpoint = \"{}\"\nattempts = 2\n",
            self.url(""),
            self.url("/o/oauth2/v2/auth"),
            self.url("/token")
        )
    }

    /// The folder of its own files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn token_file(settings: &DestinationSettings) -> PathBuf {
        match &settings.address {
            Address::Drive(drive) => drive.token_file.clone(),
            _ => panic!("not in Drive"),
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// From now on: `on` is the beginning of `METHOD /path?query` as it is heard, or a part of it; the first `skip` of those
    /// go well, `times` do not.
    pub fn trouble(&self, on: &str, skip: usize, times: usize, trouble: Trouble) {
        self.state().faults.push(Fault { on: on.to_owned(), skip, times, trouble });
    }

    /// Nothing goes wrong any more.
    pub fn no_trouble(&self) {
        self.state().faults.clear();
    }

    /// Every request: method and path, with the query of uploads.
    pub fn heard(&self) -> Vec<String> {
        self.state().heard.clone()
    }

    pub fn files(&self) -> Vec<File> {
        self.state().files.all.values().cloned().collect()
    }

    /// Files that are no folders.
    pub fn objects(&self) -> Vec<File> {
        self.files().into_iter().filter(|file| !file.mime.ends_with(".folder")).collect()
    }

    /// The same file again with other bytes or the same, as if it had been there before or after.
    pub fn duplicate(&self, file: &File, bytes: &[u8], older: bool) {
        let mut state = self.state();
        let id = state.files.new_id();
        let created = file.created;
        let mut copy = state.files.add(File { id, ..file.clone() }, bytes.to_vec());
        if older {
            copy.created = created - jiff::SignedDuration::from_secs(60);
            state.files.all.insert(copy.id.clone(), copy);
        }
    }

    pub fn trash(&self, id: &str) {
        self.state().files.all.get_mut(id).unwrap().trashed = true;
    }

    /// Removes a file and what is in it.
    pub fn remove(&self, id: &str) {
        let mut state = self.state();
        state.files.all.remove(id);
        state.files.all.retain(|_, file| !file.parents.iter().any(|parent| parent == id));
    }

    pub fn quota(&self, limit: Option<u64>) {
        self.state().files.limit = limit;
    }

    /// A page has at most so many files.
    pub fn page(&self, files: usize) {
        self.state().files.page = files;
    }

    /// Every access token expires.
    pub fn expire_tokens(&self) {
        self.state().accounts.access.clear();
    }

    /// The person takes everything back.
    pub fn revoke_all(&self) {
        let mut state = self.state();
        state.accounts.access.clear();
        state.accounts.refresh.clear();
    }

    pub fn refresh_tokens(&self) -> Vec<String> {
        self.state().accounts.refresh.keys().cloned().collect()
    }

    /// A refresh token, as if somebody had agreed.
    pub fn refresh_token(&self) -> String {
        self.state().accounts.refresh_token(CLIENT)
    }

    /// An access token, as if somebody had agreed.
    pub fn access_token(&self) -> String {
        let refresh = self.refresh_token();
        self.state().accounts.access_token(&refresh)
    }

    /// A session for a file of so many bytes, as path and query.
    pub fn session(&self, bytes: u64) -> String {
        let mut state = self.state();
        let headers = [("content-type", "application/json"), ("x-upload-content-type", "a/b")];
        let mut request = Request {
            method: "POST".into(),
            path: "/upload/drive/v3/files".into(),
            query: [("uploadType".to_owned(), "resumable".to_owned())].into(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            length: 2,
        };
        request.headers.insert("x-upload-content-length".into(), bytes.to_string());
        let state = &mut *state;
        let opened = state.sessions.open(&mut state.files, &request, b"{}", self.address).unwrap();
        opened.headers[0].1.strip_prefix(&self.url("")).unwrap().to_owned()
    }

    /// Every session of an upload is gone.
    pub fn lose_sessions(&self) {
        self.state().sessions.all.clear();
    }

    pub fn browser_agrees(&self, agrees: bool) {
        self.state().accounts.browser_agrees = agrees;
    }

    pub fn device_answers(&self, after: usize, yes: bool) {
        self.state().accounts.device_answers = (after, yes);
    }

    pub fn grant_scopes(&self, scopes: &str) {
        self.state().accounts.scopes = scopes.to_owned();
    }
}

/// Signs in by a browser.
pub fn connect(settings: &DestinationSettings) {
    let mut browsers = Vec::new();
    let mut ask = |ask: Ask<'_>| {
        let Ask::Open { url } = ask else { panic!("{ask:?}") };
        let url = url.to_owned();
        browsers.push(thread::spawn(move || browser::visit(&url)));
    };
    recoup::destination::drive::connect(settings, false, &Context::quiet(), &mut ask).unwrap();
    assert_eq!(browsers.pop().unwrap().join().unwrap().0, 200);
}

fn serve(stream: TcpStream, state: &Mutex<State>, address: SocketAddr) {
    drop(stream.set_nodelay(true));
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(head) = read_head(&mut reader) {
        let request = match head {
            Ok(request) => request,
            Err(refused) => {
                write(&mut writer, &refused, None);
                return;
            }
        };
        let query: Vec<String> = request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let line = format!("{} {}?{}", request.method, request.path, query.join("&"));
        let trouble = state.lock().unwrap().hear(&line);
        let most = match &trouble {
            Some(Trouble::CutRequest(bytes)) => request.length.min(*bytes),
            _ => request.length,
        };
        let body = read_body(&mut reader, most);
        let answer = match &trouble {
            Some(Trouble::Refuse(status, reason, wait)) => {
                let answer = Answer::error(*status, reason, "as the test wants it");
                wait.iter().fold(answer, |answer, wait| answer.with("retry-after", wait.to_string()))
            }
            _ if (body.len() as u64) < request.length => {
                state.lock().unwrap().cut(&request, &body);
                return;
            }
            _ => state.lock().unwrap().answer(&request, body, address),
        };
        let cut = match trouble {
            Some(Trouble::LoseAnswer) => return,
            Some(Trouble::CutAnswer(bytes)) => Some(bytes),
            _ => None,
        };
        let last = request.header("connection").is_some_and(|word| word.eq_ignore_ascii_case("close"));
        let answer = if last { answer.with("connection", "close") } else { answer };
        if !write(&mut writer, &answer, cut) || last {
            return;
        }
    }
}

impl State {
    fn hear(&mut self, line: &str) -> Option<Trouble> {
        self.heard.push(line.to_owned());
        for fault in self.faults.iter_mut().filter(|fault| fault.times > 0 && line.contains(&fault.on)) {
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            fault.times -= 1;
            return Some(fault.trouble.clone());
        }
        None
    }

    /// The line broke: of an upload, what came is kept.
    fn cut(&mut self, request: &Request, body: &[u8]) {
        if request.method == "PUT" {
            self.sessions.put_part(request, body);
        }
    }

    fn answer(&mut self, request: &Request, body: Vec<u8>, address: SocketAddr) -> Answer {
        let told = match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/o/oauth2/v2/auth") => return self.accounts.authorize(request),
            ("POST", "/token") => return self.accounts.token(request, &body, &format!("http://{address}/token")),
            ("POST", "/device/code") => return self.accounts.device_code(request, &body),
            ("POST", "/revoke") => return self.accounts.revocation(request, &body),
            _ => self.drive(request, body, address),
        };
        told.unwrap_or_else(|refused| refused)
    }

    fn drive(&mut self, request: &Request, body: Vec<u8>, address: SocketAddr) -> Result<Answer, Answer> {
        let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        if token.is_none_or(|token| !self.accounts.access.contains_key(token)) {
            let refused = Answer::error(401, "authError", "Invalid Credentials");
            return Err(refused.with("www-authenticate", "Bearer realm=\"https://accounts.google.com/\""));
        }
        if request.method == "GET" && request.length > 0 {
            return Err(Answer::error(400, "badRequest", "a GET with a body"));
        }
        let path = request.path.as_str();
        match (request.method.as_str(), path) {
            ("POST", "/upload/drive/v3/files") => self.sessions.open(&mut self.files, request, &body, address),
            ("PUT", "/upload/drive/v3/files") => self.sessions.put(&mut self.files, request, body),
            ("DELETE", "/upload/drive/v3/files") => self.sessions.cancel(request),
            ("GET", "/drive/v3/about") => self.files.about(request),
            ("GET", "/drive/v3/files") => self.files.list(request),
            ("POST", "/drive/v3/files") => self.files.create(request, &body),
            ("GET", "/drive/v3/files/generateIds") => self.files.generate_ids(request),
            (method, path) => {
                let id = path.strip_prefix("/drive/v3/files/").filter(|id| !id.contains('/'));
                match (method, id) {
                    ("GET", Some(id)) => self.files.get(id, request),
                    ("DELETE", Some(id)) => self.files.delete(id, request),
                    _ => Err(Answer::error(404, "notFound", "Not Found")),
                }
            }
        }
    }
}
