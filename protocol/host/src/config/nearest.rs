//! The known word nearest to a mistyped one.

/// The nearest of `known` to `word`: by the whole path, or by the last name alone when only the
/// section is missing or wrong. The first wins a tie. Empty only when nothing is known.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> &'a str {
    let far = |path: &&str| distance(word, path).min(distance(last(word), last(path)) + 1);
    known.min_by_key(far).unwrap_or("")
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// Optimal string alignment: insertions, deletions, replacements, swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_textbook() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("listne", "listen"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }

    #[test]
    fn a_key_in_the_wrong_section_is_found_by_its_own_name() {
        let known = ["dicom.listen", "watch.folders", "link.rate"];
        assert_eq!(nearest("listen", known.into_iter()), "dicom.listen");
        assert_eq!(nearest("watch.folder", known.into_iter()), "watch.folders");
        assert_eq!(nearest("dicom.rate", known.into_iter()), "link.rate");
    }
}
