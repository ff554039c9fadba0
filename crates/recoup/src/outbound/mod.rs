//! Requests that we make to addresses other people chose: what a URL may be, which addresses it may lead to, and one
//! HTTP request that connects to exactly the address that was checked.
//!
//! A URL that a user may write is a way into the network that we stand in, so the name is resolved once, every address
//! is judged (`address`), and the connection goes to a judged address. Not here: what is said and to whom.

mod address;
mod http;

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

pub use address::{Network, NetworkClass};
pub use http::{Request, check_header, check_url, send};

use crate::error::{Error, ErrorKind, Result};

/// How far we go for somebody: how long we wait and which addresses we connect to.
///
/// Public addresses are reached by everybody, encrypted. Private and loopback ones are reached when the operator listed
/// them, or when the URL is the operator's own. Those of metadata services (they hand out credentials) only when listed
/// one by one. Multicast, unspecified, documentation and tunnel addresses never.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    timeout: Duration,
    networks: Vec<Network>,
    operator: bool,
}

/// Ports below 1024 of public addresses that plain users may be connected to.
const USUAL_PORTS: [u16; 5] = [25, 80, 443, 465, 587];

impl Reach {
    /// What people may reach who can use the API. `networks` are the private ranges that the operator listed; plain HTTP
    /// goes only there. `timeout` is for everything together and is brought to 1–300 s.
    pub fn of_users(timeout: Duration, networks: Vec<Network>) -> Self {
        let timeout = timeout.clamp(Duration::from_secs(1), Duration::from_secs(300));
        Reach { timeout, networks, operator: false }
    }

    /// What the operator may reach, who writes the configuration file: private and loopback addresses too, and what
    /// says `http://` is meant so.
    pub fn of_operator(timeout: Duration, networks: Vec<Network>) -> Self {
        Reach { operator: true, ..Reach::of_users(timeout, networks) }
    }

    /// The same within another time, whatever it is: for what has a time limit of its own.
    pub fn within(self, timeout: Duration) -> Self {
        Reach { timeout, ..self }
    }

    /// How long everything together may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether an address and port may be connected to. Errors: `address_not_allowed`, which says what kind of address
    /// it is and never which.
    pub fn permits(&self, address: IpAddr, port: u16, encrypted: bool) -> Result<()> {
        let judged = address::judged(address);
        let class = NetworkClass::of(judged);
        let listed = self.networks.iter().any(|network| network.allows(judged, class));
        let refused = match class {
            NetworkClass::Never(what) => Some(what),
            NetworkClass::Metadata if !listed => Some("the address of a metadata service"),
            NetworkClass::Loopback if !listed && !self.operator => Some("an address of this machine"),
            NetworkClass::Private(what) if !listed && !self.operator => Some(what),
            NetworkClass::Public if !listed && !self.operator => match (encrypted, port) {
                (false, _) => Some("a public address, and the connection would not be encrypted"),
                (true, 1024..) => None,
                (true, port) if USUAL_PORTS.contains(&port) => None,
                (true, _) => Some("a public address with an unusual port"),
            },
            _ => None,
        };
        let Some(what) = refused else { return Ok(()) };
        let error = Error::new(ErrorKind::Denied, "address_not_allowed", "Connecting to this address is not allowed");
        let error = error.because(format!("it is {what}"));
        Err(match class {
            NetworkClass::Never(_) => error,
            _ => error.hint("an operator can list addresses as private_targets below [server] in recoup.toml"),
        })
    }

    /// The addresses of a host, each of them permitted; one that is not refuses the host. Mapped addresses come as what they
    /// map. Errors: `address_not_allowed`, `host_not_found` ([`ErrorKind::Unreachable`]).
    pub fn resolve(&self, host: &str, port: u16, encrypted: bool) -> Result<Vec<SocketAddr>> {
        let mut found = Vec::new();
        for address in lookup(host, port, self.timeout)? {
            self.permits(address.ip(), address.port(), encrypted)?;
            let address = SocketAddr::new(address.ip().to_canonical(), address.port());
            if !found.contains(&address) {
                found.push(address);
            }
        }
        if found.is_empty() { Err(unreachable(host, "host_not_found", "it has no address")) } else { Ok(found) }
    }
}

/// `Cannot reach HOST`, with why; trying again later may help.
pub fn unreachable(host: &str, code: &'static str, why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unreachable, code, format!("Cannot reach {host}")).because(why.into())
}

/// The resolver of the operating system cannot be interrupted, so it is left behind when it takes too long.
fn lookup(host: &str, port: u16, timeout: Duration) -> Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (give, take) = mpsc::sync_channel(1);
    let name = host.to_owned();
    let look = move || drop(give.send((name.as_str(), port).to_socket_addrs().map(Iterator::collect)));
    thread::Builder::new().spawn(look).map_err(|error| Error::io("starting a thread", error))?;
    match take.recv_timeout(timeout) {
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(_)) => Err(unreachable(host, "host_not_found", "its name has no address")),
        Err(RecvTimeoutError::Timeout) => Err(unreachable(host, "timeout", "its name was not resolved in time")),
        Err(RecvTimeoutError::Disconnected) => Err(unreachable(host, "host_not_found", "its name was not resolved")),
    }
}

#[cfg(test)]
mod tests;
