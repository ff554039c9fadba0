//! E-mail by SMTP (RFC 5321): plain text, one message to everybody, over a connection to a checked address.
//!
//! The mail library limits the wait for each answer and not for all of them, so the conversation has its own thread, which is
//! left behind when all of it takes too long.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, SystemTime};

use data_encoding::HEXLOWER;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, SinglePart};
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{Certificate, CertificateStore, SmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use sha2::{Digest, Sha256};

use super::{Message, reveal};
use crate::error::{Error, ErrorKind, Result};
use crate::model::channel::{Target, Tls};
use crate::outbound::{NetworkClass, unreachable};

pub fn send(message: &Message<'_>) -> Result<()> {
    let Target::Email { host, port, tls, user, password, from, to } = &message.channel.target else { return Ok(()) };
    let mail = compose(message, from, to)?;
    let credentials = match (user, password) {
        (Some(user), Some(password)) => Some(Credentials::new(user.clone(), reveal(password)?)),
        _ => None,
    };
    let parameters = match tls {
        Tls::None => None,
        Tls::Starttls | Tls::Implicit => Some(parameters(host, message.roots()?)?),
    };
    let addresses = message.reach.resolve(host, *port, *tls != Tls::None)?;
    let public = addresses.iter().any(|address| NetworkClass::of(address.ip()) == NetworkClass::Public);
    if public && *tls == Tls::None && credentials.is_some() {
        return Err(
            Error::usage("bad_mail", "A password is not sent in the clear").hint("tls = \"starttls\" or \"implicit\"")
        );
    }
    let talk = Talk { addresses, tls: *tls, parameters, credentials, timeout: message.reach.timeout() };
    let (give, take) = mpsc::sync_channel(1);
    let speak = move || drop(give.send(talk.hold(&mail)));
    thread::Builder::new().spawn(speak).map_err(|error| Error::io("starting a thread", error))?;
    match take.recv_timeout(message.reach.timeout()) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(ours(host, &error)),
        Err(RecvTimeoutError::Timeout) => Err(unreachable(host, "timeout", "it did not take the mail in time")),
        Err(RecvTimeoutError::Disconnected) => Err(unreachable(host, "unreachable", "the conversation broke off")),
    }
}

fn compose(message: &Message<'_>, from: &str, to: &[String]) -> Result<lettre::Message> {
    let wrong =
        |_| Error::usage("bad_mail", "Not the address of a mailbox").hint("me@example.org, or Me <me@example.org>");
    let notice = message.notice;
    let from: Mailbox = from.parse().map_err(wrong)?;
    // The same for every attempt, so that a mail which arrived although its answer was lost is known as the same.
    let identity = (&message.channel.name, notice.event, &notice.plan, &notice.run, notice.at);
    let identity = HEXLOWER.encode(&Sha256::digest(format!("{identity:?}")));
    let mut builder = lettre::Message::builder()
        .from(from.clone())
        .subject(message.title())
        .date(SystemTime::from(notice.at))
        .message_id(Some(format!("<{}@{}>", &identity[..32], from.email.domain())))
        .header(AutoSubmitted);
    for address in to {
        builder = builder.to(address.parse().map_err(wrong)?);
    }
    let mut body = message.text();
    if !notice.log_tail.is_empty() && message.channel.text.is_none() {
        body.push_str(&format!("\n\nThe end of the log:\n{}", notice.log_tail));
    }
    if let Some(head) = notice.audit_head.as_ref().filter(|_| message.channel.text.is_none()) {
        body.push_str(&format!("\n\nAudit log: {head}"));
    }
    let part = SinglePart::builder().header(ContentType::TEXT_PLAIN).body(body);
    let mail = builder.singlepart(part);
    mail.map_err(|error| Error::usage("bad_mail", "The mail cannot be written").because(error.to_string()))
}

/// `Auto-Submitted: auto-generated` (RFC 3834): nobody's holiday notice answers.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }
    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(AutoSubmitted)
    }
    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

fn parameters(host: &str, roots: Option<Vec<u8>>) -> Result<TlsParameters> {
    let wrong = |_| Error::usage("bad_certificate", "Not certificates in PEM");
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(pem) = roots {
        let certificates = Certificate::from_pem(&pem).map_err(wrong)?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificates);
    }
    builder.build_rustls().map_err(wrong)
}

/// A conversation with the server.
struct Talk {
    addresses: Vec<SocketAddr>,
    tls: Tls,
    parameters: Option<TlsParameters>,
    credentials: Option<Credentials>,
    timeout: Duration,
}

impl Talk {
    fn hold(&self, mail: &lettre::Message) -> Result<(), smtp::Error> {
        let hello = ClientId::default();
        let first = self.parameters.as_ref().filter(|_| self.tls == Tls::Implicit);
        let timeout = Some(self.timeout);
        let mut connection = SmtpConnection::connect(&self.addresses[..], timeout, &hello, first, None)?;
        if self.tls == Tls::Starttls
            && let Some(parameters) = &self.parameters
        {
            connection.starttls(parameters, &hello)?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials)?;
        }
        connection.send(mail.envelope(), &mail.formatted())?;
        // It has been taken; how they part does not matter.
        drop(connection.quit());
        Ok(())
    }
}

/// An error of the mail library in our words: what the server says is not repeated.
fn ours(host: &str, error: &smtp::Error) -> Error {
    let status = error.status().map(u16::from);
    let refused = |kind, code, message: &str| {
        let status = status.map_or(String::new(), |status| format!("status {status}"));
        Error::new(kind, code, message).because(status)
    };
    let chain = std::iter::successors(error.source(), |error| (*error).source());
    let below = chain.filter_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind).next();
    match status {
        Some(530 | 534 | 535 | 538) => refused(ErrorKind::Denied, "told_denied", "The server does not let us in")
            .hint("look at user, password and tls"),
        Some(400..500) => refused(ErrorKind::Unreachable, "told_later", "The server could not take it now"),
        Some(_) => refused(ErrorKind::Failed, "told_refused", "The server refused it"),
        None if matches!(below, Some(io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)) => {
            unreachable(host, "timeout", "it did not answer in time")
        }
        // What rustls finds wrong with a certificate comes as invalid data.
        None if error.is_tls() || below == Some(io::ErrorKind::InvalidData) => {
            unreachable(host, "tls", "its certificate is not trusted, or it does not encrypt as we do")
        }
        None if error.is_client() => {
            let why = "it offers no way to encrypt, to sign in or to send this that we know";
            Error::new(ErrorKind::Unsupported, "told_refused", "The server cannot take it").because(why)
        }
        None => unreachable(host, "unreachable", "the connection failed"),
    }
}
