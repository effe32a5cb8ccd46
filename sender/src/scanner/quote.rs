//! A title as a word of a shell: it came from the network, and people paste it.

/// The word that a shell reads as `text`.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !text.is_empty() && text.chars().all(plain) && !text.starts_with('-') {
        return text.to_owned();
    }
    let inner = text.replace('\'', "'\\''");
    let dashed = if text.starts_with('-') { "-- " } else { "" };
    format!("{dashed}'{inner}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_made_to_be_pasted_does_no_harm() {
        assert_eq!(quoted("CT01"), "CT01");
        assert_eq!(quoted("CT 01"), "'CT 01'");
        assert_eq!(quoted("a;rm -rf ~"), "'a;rm -rf ~'");
        assert_eq!(quoted("'$(x)"), "''\\''$(x)'");
        assert_eq!(quoted("--remove"), "-- '--remove'");
    }
}
