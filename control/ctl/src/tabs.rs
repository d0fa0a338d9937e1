//! Columns made with TABs, as Go's `text/tabwriter` makes them for `stolonctl` (width of a TAB 8, padding 1).

const TAB: usize = 8;

/// Aligns rows whose cells are separated by TABs. A column is a run of rows that have a cell, ended by a TAB, in that place;
/// what follows a row's last TAB belongs to no column.
pub fn aligned(rows: &[&str]) -> String {
    let rows: Vec<Vec<&str>> = rows.iter().map(|row| row.split('\t').collect()).collect();
    let mut text = String::new();
    for (at, cells) in rows.iter().enumerate() {
        for (column, cell) in cells.iter().enumerate() {
            text.push_str(cell);
            if column + 1 < cells.len() {
                let missing = width(&rows, at, column) - cell.chars().count();
                text.push_str(&"\t".repeat(missing.div_ceil(TAB)));
            }
        }
        text.push('\n');
    }
    text
}

/// The width of a column at a row: that of its widest cell and one more, up to the next stop.
fn width(rows: &[Vec<&str>], at: usize, column: usize) -> usize {
    let has_cell = |row: &&Vec<&str>| column + 1 < row.len();
    let below = rows[at..].iter().take_while(has_cell);
    let above = rows[..at].iter().rev().take_while(has_cell);
    let widest = below.chain(above).map(|row| row[column].chars().count()).max().unwrap_or(0);
    (widest + 1).next_multiple_of(TAB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_alone_has_one_tab_after_each_cell() {
        assert_eq!(aligned(&["b7e2ab1f\ttrue"]), "b7e2ab1f\ttrue\n");
        assert_eq!(
            aligned(&["keeper1\ttrue\t10.0.0.11:5432\ttrue\t2\t2\t"]),
            "keeper1\ttrue\t10.0.0.11:5432\ttrue\t2\t2\t\n"
        );
        assert_eq!(aligned(&["a234567\tb\t\tc"]), "a234567\tb\t\tc\n");
    }

    #[test]
    fn rows_together_are_aligned() {
        assert_eq!(aligned(&["ID\tLEADER", "b7e2ab1f\tfalse"]), "ID\t\tLEADER\nb7e2ab1f\tfalse\n");
        assert_eq!(aligned(&["ID\tLEADER", "b7e2ab1\tfalse"]), "ID\tLEADER\nb7e2ab1\tfalse\n");
        assert_eq!(aligned(&["ID\tLEADER", "schlüssel\tno"]), "ID\t\tLEADER\nschlüssel\tno\n");
    }

    #[test]
    fn the_end_of_a_row_is_in_no_column() {
        // The header's last word is no cell; the number below it, ended by a TAB, is a column alone.
        assert_eq!(
            aligned(&["UID\tPG CURRENTGENERATION", "keeper0\t3\t"]),
            "UID\tPG CURRENTGENERATION\nkeeper0\t3\t\n"
        );
    }
}
