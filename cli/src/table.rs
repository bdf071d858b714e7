//! Text in columns.

use std::fmt;

/// Rows of cells, each column as wide as its widest cell.
pub(crate) struct Table<const N: usize>(Vec<[String; N]>);

/// Between two columns.
const GAP: usize = 3;

impl<const N: usize> Table<N> {
    pub(crate) fn new(head: [&str; N]) -> Self {
        Self(vec![head.map(str::to_owned)])
    }

    /// Adds columns side by side: as many rows as the longest has.
    pub(crate) fn add(&mut self, columns: [Vec<String>; N]) {
        let rows = columns.iter().map(Vec::len).max().unwrap_or_default();
        let mut columns = columns.map(Vec::into_iter);
        for _ in 0..rows {
            self.0
                .push(columns.each_mut().map(|column| column.next().unwrap_or_default()));
        }
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| self.0.iter().map(|row| row[column].chars().count()).max();
        for row in &self.0 {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = width(column).unwrap_or_default() + GAP;
                line.push_str(&format!("{cell:<width$}"));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
