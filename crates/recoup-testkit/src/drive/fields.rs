//! The small languages of Drive: which fields an answer has (`fields=files(id,name)`), and which files are meant (`q=`).
//! Only what Recoup and Google's own examples say is understood; everything else is refused.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A selection of fields.
#[derive(Debug, Default)]
pub struct Mask(BTreeMap<String, Mask>);

impl Mask {
    /// Reads one; every name must be known.
    pub fn read(text: &str, known: &[&str]) -> Result<Mask, String> {
        let mut rest = text;
        let mask = Mask::read_some(&mut rest, known)?;
        if rest.is_empty() { Ok(mask) } else { Err(format!("Invalid field selection {rest}")) }
    }

    fn read_some(rest: &mut &str, known: &[&str]) -> Result<Mask, String> {
        let mut mask = Mask::default();
        loop {
            let end = rest.find([',', '(', ')']).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            let name = name.trim();
            if !known.contains(&name) {
                return Err(format!("Invalid field selection {name}"));
            }
            *rest = after;
            let mut inner = Mask::default();
            if let Some(after) = rest.strip_prefix('(') {
                *rest = after;
                inner = Mask::read_some(rest, known)?;
                *rest = rest.strip_prefix(')').ok_or("Invalid field selection: no )")?;
            }
            mask.0.insert(name.to_owned(), inner);
            match rest.strip_prefix(',') {
                Some(after) => *rest = after,
                None => return Ok(mask),
            }
        }
    }

    /// What of a document is selected.
    pub fn of(&self, value: &Value) -> Value {
        match value {
            _ if self.0.is_empty() => value.clone(),
            Value::Array(all) => Value::Array(all.iter().map(|one| self.of(one)).collect()),
            Value::Object(all) => {
                let kept = all.iter().filter_map(|(name, value)| Some((name.clone(), self.0.get(name)?.of(value))));
                Value::Object(kept.collect::<Map<_, _>>())
            }
            other => other.clone(),
        }
    }
}

/// One condition of a query.
#[derive(Debug, PartialEq)]
pub enum Term {
    Trashed(bool),
    Name(String),
    Type(String, bool),
    Parent(String),
    Property(String, String),
}

/// Reads `a = 'b' and 'c' in parents and appProperties has { key='d' and value='e' }`.
pub fn query(text: &str) -> Option<Vec<Term>> {
    let mut rest = text.trim();
    let mut terms = Vec::new();
    loop {
        terms.push(term(&mut rest)?);
        if rest.is_empty() {
            return Some(terms);
        }
        rest = rest.strip_prefix("and ")?.trim_start();
    }
}

fn term(rest: &mut &str) -> Option<Term> {
    if rest.starts_with('\'') {
        let parent = quoted(rest)?;
        skip(rest, "in parents")?;
        return Some(Term::Parent(parent));
    }
    if skip(rest, "appProperties has {").is_some() {
        skip(rest, "key")?;
        skip(rest, "=")?;
        let key = quoted(rest)?;
        skip(rest, "and value")?;
        skip(rest, "=")?;
        let value = quoted(rest)?;
        skip(rest, "}")?;
        return Some(Term::Property(key, value));
    }
    if skip(rest, "trashed").is_some() {
        skip(rest, "=")?;
        return match (skip(rest, "true"), skip(rest, "false")) {
            (Some(()), _) => Some(Term::Trashed(true)),
            (_, Some(())) => Some(Term::Trashed(false)),
            _ => None,
        };
    }
    if skip(rest, "mimeType").is_some() {
        let same = match skip(rest, "!=") {
            Some(()) => false,
            None => skip(rest, "=").map(|()| true)?,
        };
        return Some(Term::Type(quoted(rest)?, same));
    }
    skip(rest, "name")?;
    skip(rest, "=")?;
    Some(Term::Name(quoted(rest)?))
}

fn skip(rest: &mut &str, word: &str) -> Option<()> {
    *rest = rest.strip_prefix(word)?.trim_start();
    Some(())
}

fn quoted(rest: &mut &str) -> Option<String> {
    let mut text = String::new();
    let mut chars = rest.strip_prefix('\'')?.char_indices();
    loop {
        match chars.next()? {
            (at, '\'') => {
                *rest = rest[at + 2..].trim_start();
                return Some(text);
            }
            (_, '\\') => text.push(chars.next()?.1),
            (_, c) => text.push(c),
        }
    }
}

#[test]
fn queries_and_fields_are_understood_or_refused() {
    let found = query(
        r"mimeType != 'a/b' and appProperties has { key='k' and value='it\'s' } and 'x' in parents and trashed = false",
    );
    let wanted = vec![
        Term::Type("a/b".into(), false),
        Term::Property("k".into(), "it's".into()),
        Term::Parent("x".into()),
        Term::Trashed(false),
    ];
    assert_eq!(found, Some(wanted));
    for wrong in ["", "name = x", "name = 'x' or name = 'y'", "name = 'x' and", "size > 3", "trashed = maybe"] {
        assert_eq!(query(wrong), None, "{wrong}");
    }
    let known = ["files", "id", "name"];
    let mask = Mask::read("files(id)", &known).unwrap();
    let value = serde_json::json!({ "files": [{ "id": "1", "name": "x" }], "kind": "k" });
    assert_eq!(mask.of(&value), serde_json::json!({ "files": [{ "id": "1" }] }));
    assert!(Mask::read("files(id", &known).is_err() && Mask::read("size", &known).is_err());
}
