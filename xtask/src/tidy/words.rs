//! Words and white space that must not be committed, in whatever kind of file.
//!
//! Unfinished code has no place on the main branch, nor has a test that is never run, nor a path that exists on one
//! machine only. The words are put together here so that this file does not accuse itself.

use super::File;

/// In code: what says that it is not finished or not run.
const UNFINISHED: [&str; 6] = [
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("#[ign", "ore"),
    concat!("HA", "CK"),
];

/// Anywhere: paths that exist on one machine only.
const MACHINE: [&str; 4] =
    [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/Use", "rs/")];

/// A folder beside the working tree.
const OUTSIDE: &str = concat!("../sha", "red");

/// What is wrong with the words of a file.
pub(super) fn faults(file: &File<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    if file.is("Cargo.lock") || file.is("LICENSE") {
        return faults;
    }
    for (line, text) in file.text.lines().enumerate() {
        let code = [".rs", ".toml", ".proto", ".sh", "run"].iter().any(|ending| file.is(ending));
        let unfinished = UNFINISHED.iter().filter(|word| code && text.contains(*word));
        faults.extend(unfinished.map(|word| file.fault(line, &format!("unfinished or not run: {word}"))));
        let machine = MACHINE.iter().filter(|word| text.contains(*word));
        faults.extend(machine.map(|word| file.fault(line, &format!("a path of one machine: {word}"))));
        if text.contains(OUTSIDE) {
            faults.push(file.fault(line, "a path outside the repository"));
        }
        if !file.is_generated() {
            faults.extend(white_space(file, line, text));
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        faults.push(file.fault(file.text.lines().count().saturating_sub(1), "the last line has no line end"));
    }
    faults
}

fn white_space(file: &File<'_>, line: usize, text: &str) -> Option<String> {
    // Two spaces at the end of a line are a line break in Markdown; transcripts of protocols may need tabs.
    if text.contains('\t') && file.is(".rs") {
        return Some(file.fault(line, "a tab"));
    }
    let trailing = text.ends_with(' ') || text.ends_with('\t') || text.ends_with('\r');
    (trailing && (file.is(".rs") || file.is(".toml") || file.is(".proto")))
        .then(|| file.fault(line, "white space at the end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(path: &str, text: &str) -> Vec<String> {
        faults(&File { path, text })
    }

    #[test]
    fn unfinished_code_is_a_fault_and_prose_about_it_is_not() {
        let text = format!("fn f() {{\n    {}\n}}\n", concat!("todo", "!()"));
        assert_eq!(faults_of("a.rs", &text), [format!("a.rs:2: unfinished or not run: {}", concat!("todo", "!("))]);
        assert!(faults_of("a.md", &text).is_empty());
    }

    #[test]
    fn a_path_of_one_machine_is_a_fault() {
        assert_eq!(faults_of("a.md", concat!("see /ro", "ot/x\n")).len(), 1);
        assert_eq!(faults_of("a.md", concat!("see ../sha", "red/x\n")).len(), 1);
    }

    #[test]
    fn white_space_at_the_end_of_a_line_is_a_fault() {
        assert_eq!(faults_of("a.rs", "fn f() {} \n"), ["a.rs:1: white space at the end"]);
        assert_eq!(faults_of("a.rs", "fn f() {}"), ["a.rs:1: the last line has no line end"]);
    }
}
