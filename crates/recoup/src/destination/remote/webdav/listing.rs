//! What a server says about resources: the document that answers PROPFIND (RFC 4918 14.16). Its addresses may be whole
//! or only paths, encoded more or less; names are compared decoded.

use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use super::super::failure::Step;
use super::super::http;
use super::super::xml::Element;
use crate::destination::ObjectInfo;

/// A resource.
#[derive(Debug)]
pub(super) struct Entry {
    /// The last part of its path, decoded.
    pub name: String,
    /// It is what was asked about, not something in it.
    pub itself: bool,
    pub folder: bool,
    pub bytes: Option<u64>,
    pub modified: Option<Timestamp>,
}

impl Entry {
    /// As an object of that key.
    pub fn object(self, key: &str) -> Step<ObjectInfo> {
        match (self.bytes, self.modified) {
            (Some(bytes), Some(modified)) => Ok(ObjectInfo { key: key.to_owned(), bytes, modified }),
            _ => Err(http::cut("a resource has no length or no date", "listing")),
        }
    }
}

/// Everything in the answer to a question about `asked`, which is an encoded path.
pub(super) fn entries(document: &str, asked: &str) -> Step<Vec<Entry>> {
    let root = multistatus(document).ok_or_else(|| http::cut("it is not a listing", "listing"))?;
    let asked = parts(asked).ok_or_else(|| http::cut("it is not a listing", "listing"))?;
    let mut found = Vec::new();
    for response in root.all("response") {
        let parts = parts(response.text_of("href")).ok_or_else(|| http::cut("a name is not UTF-8", "listing"))?;
        let Some(properties) = properties(response) else {
            return Err(http::cut("nothing is known about a resource", "listing"));
        };
        found.push(Entry {
            itself: parts == asked,
            folder: properties.one("resourcetype").is_some_and(|kind| kind.one("collection").is_some()),
            bytes: properties.text_of("getcontentlength").parse().ok(),
            modified: date(properties.text_of("getlastmodified")),
            name: parts.into_iter().next_back().unwrap_or_default(),
        });
    }
    Ok(found)
}

/// What the document says about free bytes; servers say less than nothing when they do not know.
pub(super) fn quota(document: &str) -> Option<u64> {
    let root = multistatus(document)?;
    properties(root.one("response")?)?.text_of("quota-available-bytes").parse().ok()
}

fn multistatus(document: &str) -> Option<Element> {
    Element::parse(document).filter(|root| root.name() == "multistatus")
}

/// The properties that were found.
fn properties(response: &Element) -> Option<&Element> {
    let found = |stat: &&Element| stat.text_of("status").split(' ').nth(1) == Some("200");
    response.all("propstat").find(found)?.one("prop")
}

fn date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp()).or_else(|| text.parse().ok())
}

/// The parts of a path, decoded; of an address only the path.
fn parts(href: &str) -> Option<Vec<String>> {
    let path = match href.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or_default(),
        None => href,
    };
    let decode = |part: &str| percent_decode_str(part).decode_utf8().ok().map(|part| part.into_owned());
    path.split('/').filter(|part| !part.is_empty()).map(decode).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{entries, quota};

    const LISTING: &str = r#"<?xml version="1.0"?><d:multistatus xmlns:d="DAV:">
        <d:response><d:href>/dav/my%20files/</d:href><d:propstat><d:prop><d:resourcetype><d:collection/></d:resourcetype>
            <d:quota-available-bytes>QUOTA</d:quota-available-bytes>
            </d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat>
            <d:propstat><d:prop><d:getcontentlength/></d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat></d:response>
        <d:response><d:href>https://host/dav/my%20files/a%2Fb%20%C3%B6&amp;.zip</d:href><d:propstat><d:prop><d:resourcetype/>
            <d:getcontentlength>7</d:getcontentlength><d:getlastmodified>Sat, 21 Nov 2026 10:00:00 GMT</d:getlastmodified>
            </d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>"#;

    #[test]
    fn addresses_are_whole_or_paths_and_names_decoded() {
        let found = entries(LISTING, "/dav/my%20files").unwrap();
        let told: Vec<_> =
            found.iter().map(|entry| (entry.name.as_str(), entry.itself, entry.folder, entry.bytes)).collect();
        assert_eq!(told, [("my files", true, true, None), ("a/b \u{f6}&.zip", false, false, Some(7))]);
        assert_eq!(found[1].modified, "2026-11-21T10:00:00Z".parse().ok());
    }

    #[test]
    fn half_a_listing_is_an_error() {
        for end in [0, LISTING.len() / 2, LISTING.len() - 3] {
            assert!(entries(&LISTING[..end], "/dav").is_err());
        }
        assert!(entries("<html></html>", "/dav").is_err());
    }

    #[test]
    fn a_quota_of_less_than_nothing_is_unknown() {
        assert_eq!(quota(&LISTING.replace("QUOTA", "123")), Some(123));
        assert_eq!(quota(&LISTING.replace("QUOTA", "-3")), None);
        assert_eq!(quota("<multistatus/>"), None);
    }
}
