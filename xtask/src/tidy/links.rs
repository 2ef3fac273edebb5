//! Links between the project's pages: a relative link in Markdown leads to a file or folder that exists.
//!
//! Links to other sites are not followed (checking reads only the working tree); anchors are cut off and not checked.
//! What stands in a fenced block or between backticks is an example, not a link.

use super::File;
use std::path::Path;

/// Links of a Markdown file that lead nowhere.
pub(super) fn faults(root: &Path, file: &File<'_>) -> Vec<String> {
    let folder = root.join(file.path).parent().map(Path::to_path_buf).unwrap_or_default();
    let broken = targets(file.text).into_iter().filter(|(_, target)| !folder.join(target).exists());
    broken.map(|(line, target)| file.fault(line, &format!("a link that leads nowhere: {target}"))).collect()
}

/// Line, counted from 0, and target of each relative link.
fn targets(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (line, text) in text.lines().enumerate() {
        if text.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        // Every second part stands between backticks.
        for prose in text.split('`').step_by(2) {
            let links = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            let relative = links.map(|(target, _)| target.split_once('#').map_or(target, |(path, _)| path));
            found.extend(relative.filter(|path| !path.is_empty() && !path.contains(':')).map(|path| (line, path)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_relative_links_outside_examples_are_followed() {
        let text =
            "see [a](b.md#c) and [d](https://e.org) and [f](#g)\n`[h](i.md)`\n```\n[j](k.md)\n```\n[l](m/n.md)\n";
        assert_eq!(targets(text), [(0, "b.md"), (5, "m/n.md")]);
    }
}
