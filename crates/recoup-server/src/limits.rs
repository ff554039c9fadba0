//! How often somebody may ask: token buckets by address and by account, and the waits after wrong passwords. All of it
//! in memory, bounded, and per daemon.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::problem::Problem;

/// How many addresses and accounts are remembered at most.
const REMEMBERED: usize = 20_000;
/// A bucket holds so many seconds' worth of requests.
const BURST_SECONDS: f64 = 5.0;
/// Wrong passwords that are forgiven for one account before waits begin, and for one address.
const FORGIVEN_ACCOUNT: u32 = 5;
const FORGIVEN_ADDRESS: u32 = 20;
/// The longest wait after a wrong password.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(15);
/// After so long without a wrong password they are forgotten.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// Who asked how often.
#[derive(Debug)]
pub struct Limits {
    rate: f64,
    addresses: Mutex<HashMap<IpAddr, Bucket>>,
    accounts: Mutex<HashMap<String, Bucket>>,
    wrong_accounts: Mutex<HashMap<String, Wrong>>,
    wrong_addresses: Mutex<HashMap<IpAddr, Wrong>>,
    denied: Mutex<HashMap<String, Timestamp>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct Wrong {
    count: u32,
    last: Timestamp,
    until: Timestamp,
}

impl Limits {
    /// `rate` requests per second; 0 counts nothing.
    pub fn new(rate: u32) -> Self {
        Limits {
            rate: f64::from(rate),
            addresses: Mutex::default(),
            accounts: Mutex::default(),
            wrong_accounts: Mutex::default(),
            wrong_addresses: Mutex::default(),
            denied: Mutex::default(),
        }
    }

    /// Counts a request of an address.
    pub fn address(&self, address: IpAddr, now: Timestamp) -> Result<(), Problem> {
        self.take(&self.addresses, network(address), now)
    }

    /// Counts a request of an account.
    pub fn account(&self, account: &str, now: Timestamp) -> Result<(), Problem> {
        self.take(&self.accounts, account.to_owned(), now)
    }

    fn take<K: Hash + Eq>(&self, all: &Mutex<HashMap<K, Bucket>>, key: K, now: Timestamp) -> Result<(), Problem> {
        if self.rate == 0.0 {
            return Ok(());
        }
        let full = self.rate * BURST_SECONDS;
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED {
            // Whoever has been quiet for the time that fills a bucket is as if never seen.
            all.retain(|_, bucket| passed(bucket.at, now) < BURST_SECONDS);
        }
        if all.len() >= REMEMBERED {
            return Err(Problem::slow_down("too_many_requests", 1));
        }
        let bucket = all.entry(key).or_insert(Bucket { left: full, at: now });
        bucket.left = (bucket.left + passed(bucket.at, now) * self.rate).min(full);
        bucket.at = now;
        if bucket.left < 1.0 {
            return Err(Problem::slow_down("too_many_requests", 1));
        }
        bucket.left -= 1.0;
        Ok(())
    }

    /// Whether it is to be written down that an account was refused something: once a minute.
    pub fn tells_denied(&self, account: &str, now: Timestamp) -> bool {
        let mut all = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(account).is_some_and(|at| now.duration_since(*at).abs() < SignedDuration::from_mins(1)) {
            return false;
        }
        if all.len() >= REMEMBERED {
            all.clear();
        }
        all.insert(account.to_owned(), now);
        true
    }

    /// Whether a password may be tried now for this name from this address. A wait is the same for names that nobody
    /// has.
    pub fn may_try(&self, name: &str, address: Option<IpAddr>, now: Timestamp) -> Result<(), Problem> {
        let waits = [
            wait(&self.wrong_accounts, &name.to_owned(), now),
            address.and_then(|address| wait(&self.wrong_addresses, &network(address), now)),
        ];
        match waits.into_iter().flatten().max() {
            Some(left) => {
                let seconds = u64::try_from(left.as_secs() + 1).unwrap_or(1);
                Err(Problem::slow_down("too_many_attempts", seconds).hint("wait, then try again"))
            }
            None => Ok(()),
        }
    }

    /// Notes a wrong password.
    pub fn wrong(&self, name: &str, address: Option<IpAddr>, now: Timestamp) {
        note(&self.wrong_accounts, name.to_owned(), FORGIVEN_ACCOUNT, now);
        if let Some(address) = address {
            note(&self.wrong_addresses, network(address), FORGIVEN_ADDRESS, now);
        }
    }

    /// Notes a right password: what was wrong before for that name is forgiven. What was wrong from the address is not,
    /// else one known password would let somebody try others without end.
    pub fn right(&self, name: &str) {
        self.wrong_accounts.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

/// Seconds from one time to another; 0 when the clock went back.
fn passed(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

fn wait<K: Hash + Eq>(all: &Mutex<HashMap<K, Wrong>>, key: &K, now: Timestamp) -> Option<SignedDuration> {
    let all = all.lock().unwrap_or_else(PoisonError::into_inner);
    let left = all.get(key)?.until.duration_since(now);
    // A clock that went back does not make a wait longer than any wait is.
    (left > SignedDuration::ZERO).then(|| left.min(LONGEST_WAIT))
}

fn note<K: Hash + Eq>(all: &Mutex<HashMap<K, Wrong>>, key: K, forgiven: u32, now: Timestamp) {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() >= REMEMBERED {
        all.retain(|_, wrong| now.duration_since(wrong.last) < FORGOTTEN_AFTER && wrong.until > now);
    }
    if all.len() >= REMEMBERED && !all.contains_key(&key) {
        return;
    }
    let wrong = all.entry(key).or_insert(Wrong { count: 0, last: now, until: now });
    if now.duration_since(wrong.last) > FORGOTTEN_AFTER {
        wrong.count = 0;
    }
    wrong.count = wrong.count.saturating_add(1);
    wrong.last = now;
    if wrong.count >= forgiven {
        let seconds = 1i64 << (wrong.count - forgiven).min(20);
        wrong.until = now + SignedDuration::from_secs(seconds).min(LONGEST_WAIT);
    }
}

/// Whoever has one IPv6 address has a whole /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mut octets = address.octets();
            octets[8..].fill(0);
            IpAddr::from(octets)
        }
        address => address,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let limits = Limits::new(10);
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let taken = (0..100).filter(|_| limits.address(address, NOW).is_ok()).count();
        assert_eq!(taken, 50);
        let later = NOW + SignedDuration::from_secs(2);
        assert_eq!((0..100).filter(|_| limits.address(address, later).is_ok()).count(), 20);
        assert!(limits.address("192.0.2.2".parse().unwrap(), NOW).is_ok());
    }

    #[test]
    fn waits_after_wrong_passwords_double_up_to_a_quarter_of_an_hour() {
        let limits = Limits::new(0);
        let mut now = NOW;
        let mut waits = Vec::new();
        for _ in 0..20 {
            limits.wrong("ada", None, now);
            let mut waited = 0;
            while limits.may_try("ada", None, now).is_err() {
                now += SignedDuration::from_secs(1);
                waited += 1;
            }
            waits.push(waited);
        }
        assert_eq!(&waits[..8], &[0, 0, 0, 0, 1, 2, 4, 8]);
        assert_eq!(waits.last(), Some(&900));
        limits.right("ada");
        assert!(limits.may_try("ada", None, now).is_ok());
    }

    #[test]
    fn neighbours_in_one_ipv6_network_share_their_waits() {
        let limits = Limits::new(0);
        for host in 0..25 {
            limits.wrong("nobody", Some(format!("2001:db8::{host}").parse().unwrap()), NOW);
        }
        assert!(limits.may_try("other", Some("2001:db8::ffff".parse().unwrap()), NOW).is_err());
        assert!(limits.may_try("other", Some("2001:db8:0:1::1".parse().unwrap()), NOW).is_ok());
    }
}
