//! E-mail addresses of users (04 §2.1).

/// The stored form: trimmed and lower-cased.
pub fn normalize(text: &str) -> String {
    text.trim().to_lowercase()
}

/// An address with a dotted domain: one `@`, something before it, and at least two labels after it. The text is judged as it
/// stands, so a surrounding space makes it invalid; pass the normalized form. Display names, quoted local parts and comments
/// are no addresses. Length is another rule.
pub fn is_valid(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    !local.is_empty() && local.chars().all(is_local) && is_domain(domain)
}

/// RFC 5322 `atext`, the dot, and anything beyond ASCII that is no space.
fn is_local(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~.".contains(c)
        || (!c.is_ascii() && !c.is_whitespace() && !c.is_control())
}

fn is_domain(domain: &str) -> bool {
    domain.contains('.') && domain.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().all(|c| c == '-' || c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    // 04 §2.1
    #[test]
    fn an_address_has_a_dotted_domain() {
        for text in [
            "ada@example.com",
            "a@b.c",
            "first.last+tag@sub.example.co.uk",
            "o'neil@ex-ample.com",
            "a..b@docomo.ne.jp",
            "büro@bücher.example",
            "x@1.2.3.4",
        ] {
            assert!(is_valid(text), "{text}");
        }
        for text in [
            "",
            "example.com",
            "@example.com",
            "a@",
            "a@b",
            "a@b..c",
            "a@.b.c",
            "a@b.c.",
            "a@b.c@d.e",
            "a@-b.c",
            "a@b-.c",
            "a@b_c.d",
            "Ada <ada@example.com>",
            "Ada ada@example.com",
            "a b@example.com",
            "a@exam ple.com",
            " a@b.c",
            "a@b.c\n",
            "a\u{a0}b@c.d",
            "\"a b\"@c.d",
            "a,b@c.d",
            "a@b.c\0",
        ] {
            assert!(!is_valid(text), "{text:?}");
        }
    }

    // 04 §2.1: "Emails are stored trimmed and lower-cased"
    #[test]
    fn normalizing_trims_and_lowers() {
        for (text, normal) in
            [("  Ada@Example.COM \n", "ada@example.com"), ("a@b.c", "a@b.c"), ("ÄDA@b.c", "äda@b.c"), ("   ", "")]
        {
            assert_eq!(normalize(text), normal);
        }
    }
}
