//! What comes in from a client, read strictly: exact content types, one JSON document without repeated keys, without
//! NUL characters, at most 64 levels deep, no unknown fields (the types say `deny_unknown_fields`).

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::problem::Problem;

/// How deep a JSON document may be.
pub const DEPTH: usize = 64;

/// A JSON body. Use `Option<Input<T>>` where a request may come without one.
#[derive(Debug, Clone)]
pub struct Input<T>(pub T);

/// The query of a URL.
#[derive(Debug, Clone)]
pub struct Query<T>(pub T);

/// The variable parts of a path.
#[derive(Debug, Clone)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Input<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let text = "The body must be application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", text));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(unreadable)?;
        parse(&bytes).map(Input)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for Input<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        use axum::body::HttpBody;
        // Clients that always name a content type also do so without a body.
        if request.body().is_end_stream() {
            return Ok(None);
        }
        <Self as FromRequest<S>>::from_request(request, state).await.map(Some)
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let read = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        read.map(|query| Query(query.0)).map_err(|error| {
            use std::error::Error;
            let text = error.source().map_or_else(|| error.to_string(), |cause| cause.to_string());
            Problem::invalid("bad_query", "The query does not fit").detail(text)
        })
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        read.map(|path| Path(path.0)).map_err(|_| Problem::missing("not_found", "There is nothing here"))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(text) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let mut parts = text.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let known =
        ["application/json", "application/merge-patch+json"].iter().any(|known| kind.eq_ignore_ascii_case(known));
    known && parts.all(|part| part.eq_ignore_ascii_case("charset=utf-8"))
}

/// A body that could not be read to its end.
pub fn unreadable(rejection: BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large");
    }
    Problem::unreadable("bad_body", "The body could not be read")
}

/// Reads a JSON document strictly, then as `T`.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    shaped(strict(bytes)?)
}

/// Reads an object that was read before as `T`.
pub fn shaped<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    if value.is_array() {
        // serde would take a list for an object, field by field.
        return Err(Problem::invalid("bad_field", "The document does not fit").detail("it is an object"));
    }
    T::deserialize(value).map_err(|error| {
        // serde quotes what it was given; a password must not come back.
        let text = error.to_string();
        let problem = Problem::invalid("bad_field", "The document does not fit");
        if text.starts_with("invalid type") || text.starts_with("invalid value") {
            let expected = text.rsplit(", expected ").next().unwrap_or_default();
            problem.detail(format!("a field has another type: expected {expected}"))
        } else {
            problem.detail(text)
        }
    })
}

/// Reads a JSON document: no repeated key, no NUL, no more than [`DEPTH`] levels.
pub fn strict(bytes: &[u8]) -> Result<Value, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = Strict { left: DEPTH }.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    read.map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or_default();
        Problem::unreadable("bad_json", "The body is not one JSON document that we accept")
            .detail(format!("{what}: {place}"))
    })
}

#[derive(Clone, Copy)]
struct Strict {
    left: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Strict, E> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Strict { left }),
            None => Err(E::custom("too deep")),
        }
    }
}

fn text<E: serde::de::Error>(text: &str) -> Result<String, E> {
    if text.contains('\0') {
        return Err(E::custom("a text has a NUL character"));
    }
    Ok(text.to_owned())
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        // To JSON 1.0 and 1 are one number, to serde they are not. Below 2^53 each whole number is exact.
        if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 {
            return Ok((value as i64).into());
        }
        Ok(value.into())
    }
    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        text(value).map(Value::String)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let key = text(&key)?;
            let value = map.next_value_seed(inner)?;
            if values.insert(key, value).is_some() {
                return Err(A::Error::custom("a key stands twice"));
            }
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_stands_twice_is_refused_at_any_depth() {
        assert!(strict(br#"{"a":{"b":1,"b":2}}"#).is_err());
        assert!(strict(br#"{"a":{"b":1},"b":2}"#).is_ok());
    }

    #[test]
    fn sixty_four_levels_are_read_and_one_more_is_not() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(strict(nested(64).as_bytes()).is_ok());
        assert!(strict(nested(65).as_bytes()).is_err());
        assert!(strict(nested(100_000).as_bytes()).is_err());
    }

    #[test]
    fn what_is_not_one_document_is_refused() {
        for text in [r#"{} {}"#, "", "{", r#"{"a":"\u0000"}"#, r#"{"a\u0000":1}"#, "NaN", "1e999", "\u{feff}{}"] {
            assert!(strict(text.as_bytes()).is_err(), "{text}");
        }
        assert!(strict(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn a_wrong_type_does_not_give_the_value_back() {
        #[derive(serde::Deserialize, Debug)]
        #[serde(deny_unknown_fields)]
        struct Secret {
            #[expect(dead_code)]
            password: u8,
        }
        let problem = parse::<Secret>(br#"{"password":"canary"}"#).unwrap_err();
        assert!(!format!("{problem:?}").contains("canary"));
        assert!(format!("{:?}", parse::<Secret>(br#"{"passwort":1}"#).unwrap_err()).contains("passwort"));
    }
}
