//! What servers answer in XML, as a small tree without namespaces: names are local names, text has its references
//! resolved.
//!
//! Not here: what it means. Documents with a DTD, which could define more references, lose them: none is ever needed.

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use quick_xml::reader::Reader;

/// No answer that we ask for is deeper.
const DEPTH: usize = 32;

/// An element.
#[derive(Debug, Default)]
pub(crate) struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// The root of a document, or `None` when it is none.
    pub fn parse(document: &str) -> Option<Element> {
        let mut reader = Reader::from_str(document);
        reader.config_mut().expand_empty_elements = true;
        // The elements that are open, below them what holds the root.
        let mut open = vec![Element::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => {
                    if open.len() > DEPTH {
                        return None;
                    }
                    open.push(Element { name: start.local_name().as_ref().to_owned(), ..Element::default() });
                }
                Event::End(_) => {
                    let done = open.pop()?;
                    open.last_mut()?.children.push(done);
                }
                Event::Text(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                Event::CData(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => {
                    let open = open.last_mut()?;
                    match reference.resolve_char_ref() {
                        Ok(Some(character)) => open.text.push(character),
                        // A character that XML cannot carry, in the name of somebody else's object.
                        Err(_) => open.text.push(char::REPLACEMENT_CHARACTER),
                        Ok(None) => open.text.push_str(resolve_predefined_entity(&reference.xml10_content())?),
                    }
                }
                Event::Eof => break,
                _ => {}
            }
        }
        if open.len() == 1 { open.pop()?.children.pop() } else { None }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its own text, without blanks around it.
    pub fn text(&self) -> &str {
        self.text.trim()
    }

    /// Its text as it is.
    pub fn exact(&self) -> &str {
        &self.text
    }

    /// The elements of a name in it.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first element of a name in it.
    pub fn one<'a>(&'a self, name: &'a str) -> Option<&'a Element> {
        self.all(name).next()
    }

    /// The text of the first element of a name in it; empty when there is none.
    pub fn text_of<'a>(&'a self, name: &'a str) -> &'a str {
        self.one(name).map_or("", Element::text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Element;

    #[test]
    fn names_lose_their_prefix_and_text_its_references() {
        let root = Element::parse(
            "<?xml version=\"1.0\"?>\n<D:a xmlns:D=\"DAV:\"><D:b>x&amp;y&#33; &lt;<![CDATA[<z>]]></D:b><b/></D:a>\n",
        )
        .unwrap();
        assert_eq!(root.name(), "a");
        assert_eq!(root.all("b").map(Element::text).collect::<Vec<_>>(), ["x&y! <<z>", ""]);
        assert_eq!((root.text_of("b"), root.text_of("c")), ("x&y! <<z>", ""));
    }

    #[test]
    fn what_is_no_document_is_none() {
        let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
        for text in ["", "<a>", "<a></b>", "</a>", "<a>&unknown;</a>", "text", &deep] {
            assert!(Element::parse(text).is_none(), "{}", &text[..text.len().min(40)]);
        }
    }
}
