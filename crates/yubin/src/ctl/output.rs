//! What `yubin ctl` prints, and the amounts that it reads.

use serde_json::Value;

use super::args::{Bytes, QuotaWish};

/// Parses `500M`, `10G`, `1000000`, `unlimited`; K, M, G and T are powers of 1024.
pub(crate) fn parse_bytes(text: &str) -> Result<Bytes, String> {
    if text.eq_ignore_ascii_case("unlimited") {
        return Ok(Bytes(None));
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text.get(digits.len()..).unwrap_or_default().to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        "T" | "TB" | "TIB" => 40,
        _ => return Err("an amount like 500M, 10G, 1000000 or unlimited".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "an amount like 500M, 10G, 1000000 or unlimited".to_owned())?;
    number.checked_mul(1 << shift).map(|bytes| Bytes(Some(bytes))).ok_or_else(|| "too much".to_owned())
}

/// Parses an amount or `plan`.
pub(crate) fn parse_quota(text: &str) -> Result<QuotaWish, String> {
    if text == "plan" { Ok(QuotaWish::Plan) } else { parse_bytes(text).map(QuotaWish::Own) }
}

/// Bytes for people.
pub(crate) fn human(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    while unit + 1 < units.len() && bytes >> (10 * (unit + 1)) > 0 {
        unit += 1;
    }
    let name = units.get(unit).copied().unwrap_or("B");
    if unit == 0 {
        return format!("{bytes} {name}");
    }
    // One decimal, by integers: no rounding surprises.
    let tenths = (u128::from(bytes) * 10) >> (10 * unit);
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

/// A bound for people.
pub(crate) fn human_limit(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "unlimited".to_owned(), human)
}

/// A table with aligned columns.
pub(crate) fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize, head: &str| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .chain([head.chars().count()])
            .max()
    };
    let widths: Vec<usize> = heads.iter().enumerate().filter_map(|(column, head)| width(column, head)).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut text = line(&mut heads.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

/// JSON for programs, indented, with a final newline.
pub(crate) fn json(value: &Value) -> String {
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use super::{Bytes, human, parse_bytes, table};

    #[test]
    fn amounts_are_read_as_people_write_them() {
        for (text, bytes) in [("0", 0), ("500M", 500 << 20), ("10g", 10 << 30), ("1KiB", 1024), ("1000000", 1_000_000)]
        {
            assert_eq!(parse_bytes(text), Ok(Bytes(Some(bytes))), "{text}");
        }
        assert_eq!(parse_bytes("unlimited"), Ok(Bytes(None)));
        for text in ["", "M", "-1", "1X", "1.5G", "99999999999T"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn amounts_are_shown_with_their_unit() {
        assert_eq!(human(0), "0 B");
        assert_eq!(human(1023), "1023 B");
        assert_eq!(human(1536), "1.5 KiB");
        assert_eq!(human(10 << 30), "10.0 GiB");
    }

    #[test]
    fn columns_are_aligned() {
        let rows = vec![vec!["a".to_owned(), "1".to_owned()], vec!["bbb".to_owned(), "22".to_owned()]];
        assert_eq!(table(&["X", "Y"], &rows), "X    Y\na    1\nbbb  22\n");
    }
}
