//! Tables of text: columns as wide as their widest cell, empty columns left out.

/// Rows under headings.
#[derive(Debug, Default)]
pub struct Table {
    headings: Vec<&'static str>,
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with headings; one that begins with `>` is aligned to the right.
    pub fn new(headings: &[&'static str]) -> Self {
        Table {
            headings: headings.iter().map(|heading| heading.trim_start_matches('>')).collect(),
            right: headings.iter().map(|heading| heading.starts_with('>')).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row with as many cells as there are headings.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| printable(&cell)).collect());
    }

    /// The table, each line after `indent`; columns without any content are left out.
    pub fn draw(&self, indent: &str) -> String {
        let width = |at: usize| self.rows.iter().map(|row| columns(&row[at])).max().unwrap_or(0);
        let used: Vec<(usize, usize)> = (0..self.headings.len())
            .map(|at| (at, width(at)))
            .filter(|(_, width)| *width > 0)
            .map(|(at, width)| (at, width.max(columns(self.headings[at]))))
            .collect();
        let mut text = String::new();
        let headings: Vec<String> = self.headings.iter().map(|heading| (*heading).to_owned()).collect();
        let with_headings = self.headings.iter().any(|heading| !heading.is_empty());
        for row in std::iter::once(&headings).filter(|_| with_headings).chain(&self.rows) {
            let mut line = indent.to_owned();
            for (at, width) in &used {
                let gap = " ".repeat(width - columns(&row[*at]).min(*width));
                let cell = &row[*at];
                line.push_str(&if self.right[*at] { format!("{gap}{cell}") } else { format!("{cell}{gap}") });
                line.push_str("  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Control characters of names must not reach a terminal.
pub fn printable(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_empty_ones_left_out() {
        let mut table = Table::new(&["NAME", "LABEL", ">ROWS"]);
        table.row(["orders".into(), String::new(), "1,204".into()]);
        table.row(["a\u{1b}[2J".into(), String::new(), "3".into()]);
        assert_eq!(table.draw("  "), "  NAME         ROWS\n  orders      1,204\n  a\\u{1b}[2J      3\n");
    }
}
