//! Parameter names: any casing in, `snake_case` inside, `lowerCamel` out (01 §4.2).

/// Normalizes an object key (01 §4.2): `maxUses`, `max-uses` and `MAX uses` all become `max_uses`.
pub fn normalize_key(key: &str) -> String {
    if is_normal(key) {
        return key.to_owned();
    }
    let underscored = underscore(key);
    let mut out = String::with_capacity(underscored.len());
    for c in underscored.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => out.push(c.to_ascii_lowercase()),
            '_' | '-' => push_separator(&mut out, c),
            c if c.is_ascii() => push_separator(&mut out, '_'),
            c => match transliterate(c) {
                Some(text) => out.push_str(text),
                None => push_separator(&mut out, '_'),
            },
        }
    }
    while out.contains("__") {
        out = out.replace("__", "_");
    }
    let out = out.strip_prefix('_').unwrap_or(&out);
    out.strip_suffix('_').unwrap_or(out).to_owned()
}

/// The common case: already normal, nothing to do.
fn is_normal(key: &str) -> bool {
    let bytes = key.as_bytes();
    !bytes.is_empty()
        && bytes[0] != b'_'
        && bytes[bytes.len() - 1] != b'_'
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_')
        && !key.contains("__")
}

fn push_separator(out: &mut String, c: char) {
    if !(c == '_' && out.ends_with('_')) {
        out.push(c);
    }
}

/// Step 1 of 01 §4.2.
fn underscore(key: &str) -> String {
    if !key.contains(|c: char| c.is_ascii_uppercase() || c == '-') && !key.contains("::") {
        return key.to_owned();
    }
    let chars: Vec<char> = key.replace("::", "/").chars().collect();
    let mut out = String::with_capacity(chars.len() + 8);
    for (i, &c) in chars.iter().enumerate() {
        if c.is_ascii_uppercase() && i > 0 {
            let before = chars[i - 1];
            let after_lower = chars.get(i + 1).is_some_and(char::is_ascii_lowercase);
            if before.is_ascii_lowercase() || before.is_ascii_digit() || (before.is_ascii_uppercase() && after_lower) {
                out.push('_');
            }
        }
        out.push(if c == '-' { '_' } else { c.to_ascii_lowercase() });
    }
    out
}

/// ASCII equivalents of the Latin letters that have one (01 §4.2 step 2).
fn transliterate(c: char) -> Option<&'static str> {
    Some(match c {
        'À' | 'Á' | 'Â' | 'Ã' | 'Ä' | 'Å' | 'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'Ā' | 'ā' | 'Ă' | 'ă' | 'Ą' | 'ą' => {
            "a"
        }
        'Æ' | 'æ' => "ae",
        'Ç' | 'ç' | 'Ć' | 'ć' | 'Ĉ' | 'ĉ' | 'Ċ' | 'ċ' | 'Č' | 'č' => "c",
        'Ð' | 'ð' | 'Ď' | 'ď' | 'Đ' | 'đ' => "d",
        'È' | 'É' | 'Ê' | 'Ë' | 'è' | 'é' | 'ê' | 'ë' | 'Ē' | 'ē' | 'Ĕ' | 'ĕ' | 'Ė' | 'ė' | 'Ę' | 'ę' | 'Ě' | 'ě' => {
            "e"
        }
        'Ĝ' | 'ĝ' | 'Ğ' | 'ğ' | 'Ġ' | 'ġ' | 'Ģ' | 'ģ' => "g",
        'Ĥ' | 'ĥ' | 'Ħ' | 'ħ' => "h",
        'Ì' | 'Í' | 'Î' | 'Ï' | 'ì' | 'í' | 'î' | 'ï' | 'Ĩ' | 'ĩ' | 'Ī' | 'ī' | 'Ĭ' | 'ĭ' | 'Į' | 'į' | 'İ' | 'ı' => {
            "i"
        }
        'Ĵ' | 'ĵ' => "j",
        'Ķ' | 'ķ' => "k",
        'Ĺ' | 'ĺ' | 'Ļ' | 'ļ' | 'Ľ' | 'ľ' | 'Ł' | 'ł' => "l",
        'Ñ' | 'ñ' | 'Ń' | 'ń' | 'Ņ' | 'ņ' | 'Ň' | 'ň' => "n",
        'Ò' | 'Ó' | 'Ô' | 'Õ' | 'Ö' | 'Ø' | 'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'Ō' | 'ō' | 'Ŏ' | 'ŏ' | 'Ő' | 'ő' => {
            "o"
        }
        'Œ' | 'œ' => "oe",
        'Ŕ' | 'ŕ' | 'Ŗ' | 'ŗ' | 'Ř' | 'ř' => "r",
        'Ś' | 'ś' | 'Ŝ' | 'ŝ' | 'Ş' | 'ş' | 'Š' | 'š' => "s",
        'ß' => "ss",
        'Ţ' | 'ţ' | 'Ť' | 'ť' | 'Ŧ' | 'ŧ' => "t",
        'Þ' | 'þ' => "th",
        'Ù' | 'Ú' | 'Û' | 'Ü' | 'ù' | 'ú' | 'û' | 'ü' | 'Ũ' | 'ũ' | 'Ū' | 'ū' | 'Ŭ' | 'ŭ' | 'Ů' | 'ů' | 'Ű' | 'ű'
        | 'Ų' | 'ų' => "u",
        'Ŵ' | 'ŵ' => "w",
        'Ý' | 'ý' | 'ÿ' | 'Ŷ' | 'ŷ' | 'Ÿ' => "y",
        'Ź' | 'ź' | 'Ż' | 'ż' | 'Ž' | 'ž' => "z",
        _ => return None,
    })
}

/// Renders a stored key for output (01 §4.2): each `_x` becomes `X`.
pub fn lower_camel(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    let mut upper = false;
    for c in key.chars() {
        if c == '_' && !out.is_empty() {
            upper = true;
        } else if upper {
            out.extend(c.to_uppercase());
            upper = false;
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    // 01 §4.2, the table
    #[test]
    fn keys_are_normalized_on_input_and_camelized_on_output() {
        for (sent, stored, returned) in [
            ("maxUses", "max_uses", "maxUses"),
            ("max_uses", "max_uses", "maxUses"),
            ("max-uses", "max_uses", "maxUses"),
            ("MaxUses", "max_uses", "maxUses"),
            ("max uses", "max_uses", "maxUses"),
            ("seat_no_1", "seat_no_1", "seatNo1"),
            ("SeatNo2", "seat_no2", "seatNo2"),
            ("seatNo3", "seat_no3", "seatNo3"),
            ("seat no 4", "seat_no_4", "seatNo4"),
            ("HTTPProxy", "http_proxy", "httpProxy"),
            ("orderID", "order_id", "orderId"),
            ("iOSBuild", "i_os_build", "iOsBuild"),
            ("rack-unit", "rack_unit", "rackUnit"),
            ("rack.unit", "rack_unit", "rackUnit"),
            ("a/b", "a_b", "aB"),
            ("rack__unit", "rack_unit", "rackUnit"),
            ("_row", "row", "row"),
            ("ROW", "row", "row"),
            ("é", "e", "e"),
            ("日本", "", ""),
            ("RoLe", "ro_le", "roLe"),
            ("A::B", "a_b", "aB"),
        ] {
            assert_eq!(normalize_key(sent), stored, "stored form of {sent}");
            assert_eq!(lower_camel(stored), returned, "returned form of {sent}");
        }
    }
}
