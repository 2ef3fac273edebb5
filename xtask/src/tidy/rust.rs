//! Rules for Rust files: how long they are, that they open with their manual page, and that types are documented.
//!
//! A file holds at most 400 lines of code; with its tests, which stand at its end, at most 600. A file of a `tests`
//! folder is all tests. The manual page is the `//!` block that opens the file; only a file of tests may do without, since
//! it stands below the page of what it tests.

use super::File;

/// Most lines of a file above its tests.
const CODE_LINES_MAX: usize = 400;
/// Most lines of a file with its tests.
const FILE_LINES_MAX: usize = 600;

/// What is wrong with a Rust file.
pub(super) fn faults(file: &File<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = file.text.lines().count();
    let code = code_lines(file);
    if code > CODE_LINES_MAX {
        faults.push(file.fault(CODE_LINES_MAX, &format!("{code} lines of code, at most {CODE_LINES_MAX}")));
    }
    if lines > FILE_LINES_MAX {
        faults.push(file.fault(FILE_LINES_MAX, &format!("{lines} lines with tests, at most {FILE_LINES_MAX}")));
    }
    // A file of tests stands below the page of what it tests.
    if code > 0 && !file.text.starts_with("//!") {
        faults.push(file.fault(0, "does not open with its manual page (//!)"));
    }
    faults
}

/// Lines above the test module that ends a file; 0 for a file that is all tests.
fn code_lines(file: &File<'_>) -> usize {
    let in_tests_folder = file.path.split('/').rev().skip(1).any(|part| part == "tests" || part == "benches");
    let is_test_module = file.is("/tests.rs");
    // The package `tests/` itself is code: what starts and drives whole systems.
    if is_test_module || (in_tests_folder && !file.path.starts_with("tests/src/")) {
        return 0;
    }
    let lines: Vec<&str> = file.text.lines().collect();
    let tests = lines.windows(2).position(|pair| match pair {
        [attribute, module] => *attribute == "#[cfg(test)]" && module.starts_with("mod ") && module.ends_with('{'),
        _ => false,
    });
    tests.unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(path: &str, text: &str) -> Vec<String> {
        faults(&File { path, text })
    }

    #[test]
    fn a_file_may_be_600_lines_when_200_are_tests() {
        let code = format!("//! Page.\n{}", "fn f() {}\n".repeat(399));
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "    fn t() {}\n".repeat(197));
        assert!(faults_of("crates/a/src/b.rs", &format!("{code}{tests}")).is_empty());
        let long = faults_of("crates/a/src/b.rs", &format!("{code}fn g() {{}}\n{tests}"));
        assert_eq!(
            long,
            [
                "crates/a/src/b.rs:401: 401 lines of code, at most 400",
                "crates/a/src/b.rs:601: 601 lines with tests, at most 600"
            ]
        );
    }

    #[test]
    fn a_file_of_tests_has_no_code() {
        let text = format!("//! Page.\n{}", "fn f() {}\n".repeat(500));
        assert!(faults_of("crates/a/tests/b.rs", &text).is_empty());
        assert!(faults_of("crates/a/src/b/tests.rs", &text).is_empty());
        assert_eq!(faults_of("tests/src/b.rs", &text).len(), 1);
    }

    #[test]
    fn a_file_opens_with_its_manual_page() {
        assert_eq!(
            faults_of("crates/a/src/b.rs", "use std::fmt;\n"),
            ["crates/a/src/b.rs:1: does not open with its manual page (//!)"]
        );
    }
}
