//! What the documentation shows, so that tests use exactly that.

use std::path::Path;

/// The blocks of code of a kind (`json`, `apache`; empty for those without one) below a heading of a page in `docs/`, as far
/// as the next heading of the same depth. Fails when there is no such heading.
pub fn blocks(page: &str, headings: &[&str], kind: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut section = text.as_str();
    for heading in headings {
        let at = section.find(&format!("{heading}\n")).unwrap_or_else(|| panic!("no {heading} in {}", path.display()));
        section = &section[at + heading.len()..];
        let depth = heading.split(' ').next().unwrap();
        let end = section.find(&format!("\n{depth} ")).unwrap_or(section.len());
        section = &section[..end];
    }
    let mut found = Vec::new();
    while let Some(at) = section.find("\n```") {
        let (word, rest) = section[at + 4..].split_once('\n').unwrap();
        let end = rest.find("\n```").map_or(rest.len(), |end| end + 1);
        if word == kind {
            found.push(rest[..end].to_owned());
        }
        section = rest.get(end + 3..).unwrap_or_default();
    }
    found
}
