//! What kind of address an address is, by the IANA special-purpose registries (RFC 6890 and its updates), and networks
//! in CIDR notation that an operator lists.
//!
//! Not here: who may reach which kind ([`super::Reach`]).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::error::{Error, Result};

/// A network as `10.0.0.0/8`, or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// What kind of address it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkClass {
    /// Anybody on the internet may answer there.
    Public,
    /// Reaches only what stands near this machine; says what it is.
    Private(&'static str),
    /// This machine.
    Loopback,
    /// A service of a cloud that hands out credentials to whoever asks from the inside.
    Metadata,
    /// No server is ever meant to answer there; says what it is.
    Never(&'static str),
}

/// Metadata services: AWS, Google, Azure, DigitalOcean and others; ECS; EKS; Azure's agent; Oracle; Alibaba; Scaleway.
const METADATA_V4: [[u8; 4]; 7] = [
    [169, 254, 169, 254],
    [169, 254, 170, 2],
    [169, 254, 170, 23],
    [168, 63, 129, 16],
    [192, 0, 0, 192],
    [100, 100, 100, 200],
    [169, 254, 42, 42],
];
/// The same by IPv6: AWS (metadata, EKS), Google, Scaleway.
const METADATA_V6: [[u16; 8]; 4] = [
    [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254],
    [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23],
    [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254],
    [0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42],
];

const LINK_LOCAL: &str = "a link-local address";
const PRIVATE: &str = "a private address";

/// First match wins.
const SPECIAL_V4: [(&str, NetworkClass); 16] = [
    ("127.0.0.0/8", NetworkClass::Loopback),
    ("10.0.0.0/8", NetworkClass::Private(PRIVATE)),
    ("172.16.0.0/12", NetworkClass::Private(PRIVATE)),
    ("192.168.0.0/16", NetworkClass::Private(PRIVATE)),
    ("100.64.0.0/10", NetworkClass::Private("an address of a carrier's network")),
    ("169.254.0.0/16", NetworkClass::Private(LINK_LOCAL)),
    ("198.18.0.0/15", NetworkClass::Private("an address for measurements")),
    ("192.0.0.0/24", NetworkClass::Private("an address of a protocol")),
    ("0.0.0.0/8", NetworkClass::Never("an address of no machine")),
    ("192.0.2.0/24", NetworkClass::Never("an address for documentation")),
    ("198.51.100.0/24", NetworkClass::Never("an address for documentation")),
    ("203.0.113.0/24", NetworkClass::Never("an address for documentation")),
    ("192.88.99.0/24", NetworkClass::Never("an address of a tunnel")),
    ("224.0.0.0/4", NetworkClass::Never("a multicast address")),
    ("255.255.255.255/32", NetworkClass::Never("the broadcast address")),
    ("240.0.0.0/4", NetworkClass::Never("a reserved address")),
];

/// First match wins; what is in none is reserved.
const SPECIAL_V6: [(&str, NetworkClass); 14] = [
    ("::1/128", NetworkClass::Loopback),
    ("::/128", NetworkClass::Never("an address of no machine")),
    ("fc00::/7", NetworkClass::Private(PRIVATE)),
    ("fe80::/10", NetworkClass::Private(LINK_LOCAL)),
    ("fec0::/10", NetworkClass::Private(PRIVATE)),
    ("64:ff9b:1::/48", NetworkClass::Private("an address of a translated network")),
    ("ff00::/8", NetworkClass::Never("a multicast address")),
    ("100::/64", NetworkClass::Never("an address that discards")),
    ("2001::/23", NetworkClass::Never("an address of a tunnel or a protocol")),
    ("2002::/16", NetworkClass::Never("an address of a tunnel")),
    ("2001:db8::/32", NetworkClass::Never("an address for documentation")),
    ("3fff::/20", NetworkClass::Never("an address for documentation")),
    ("2000::/3", NetworkClass::Public),
    ("::/0", NetworkClass::Never("a reserved address")),
];

impl NetworkClass {
    /// The kind of an address. One that carries an IPv4 address is what that one is: see [`judged`].
    pub fn of(address: IpAddr) -> Self {
        let (metadata, special) = match address {
            IpAddr::V4(v4) => (METADATA_V4.contains(&v4.octets()), &SPECIAL_V4[..]),
            IpAddr::V6(v6) => (METADATA_V6.contains(&v6.segments()), &SPECIAL_V6[..]),
        };
        if metadata {
            return NetworkClass::Metadata;
        }
        let inside = |text: &str| text.parse::<Network>().is_ok_and(|network| network.contains(address));
        special.iter().find(|(text, _)| inside(text)).map_or(NetworkClass::Public, |(_, class)| *class)
    }
}

/// The address that a connection ends at: the IPv4 address inside of a mapped (`::ffff:a.b.c.d`), compatible (`::a.b.c.d`)
/// or translated one (NAT64, `64:ff9b::a.b.c.d`, RFC 6052).
pub(super) fn judged(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let embedded = match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, a, b] | [0x64, 0xff9b, 0, 0, 0, 0, a, b] => Some((a, b)),
        [0, 0, 0, 0, 0, 0, a, b] if a != 0 => Some((a, b)),
        _ => None,
    };
    match embedded {
        Some((a, b)) => IpAddr::V4(Ipv4Addr::from((u32::from(a) << 16) | u32::from(b))),
        None => address,
    }
}

impl Network {
    /// Whether the address is one of the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            _ => false,
        }
    }

    /// Whether listing this network allows the address: this machine must be named as such, and a metadata service by its
    /// single address. `0.0.0.0/0` means neither.
    pub(super) fn allows(&self, address: IpAddr, class: NetworkClass) -> bool {
        let meant = match class {
            NetworkClass::Loopback => NetworkClass::of(self.address) == NetworkClass::Loopback && self.prefix >= 8,
            NetworkClass::Metadata => self.prefix == if self.address.is_ipv4() { 32 } else { 128 },
            _ => true,
        };
        meant && self.contains(address)
    }
}

impl FromStr for Network {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::usage("bad_network", format!("Not a network: {text}"))
                .hint("write it as 10.0.0.0/8, fd00::/8 or 192.168.1.5")
        };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().map_err(|_| wrong())?,
            Some(_) => return Err(wrong()),
        };
        if prefix > most {
            return Err(wrong());
        }
        let network = Network { address, prefix };
        let first = match address {
            IpAddr::V4(v4) => IpAddr::from(Ipv4Addr::from_bits(
                v4.to_bits() & u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0),
            )),
            IpAddr::V6(v6) => IpAddr::from(Ipv6Addr::from_bits(
                v6.to_bits() & u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0),
            )),
        };
        match first == address {
            true => Ok(network),
            false => {
                let meant = Network { address: first, prefix };
                Err(wrong().hint(format!("the network is {meant}, or a single address without /{prefix}")))
            }
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}
