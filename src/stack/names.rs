//! What Kubernetes takes for a name, a label and an annotation, each refusal with its reason.

/// The longest DNS label, and the longest label value.
pub(super) const LABEL_MAX: usize = 63;

/// The longest DNS name.
const SUBDOMAIN_MAX: usize = 253;

/// How to write what [`dns_label`] takes.
pub(super) const DNS_LABEL_HELP: &str =
    "use `a` to `z`, `0` to `9` and `-`, starting and ending with a letter or a digit";

/// How to write what [`service_label`] takes.
pub(super) const SERVICE_LABEL_HELP: &str =
    "use `a` to `z`, `0` to `9` and `-`, starting with a letter";

/// How to write what [`subdomain`] takes.
pub(super) const SUBDOMAIN_HELP: &str = "use `a` to `z`, `0` to `9`, `-` and `.`";

/// How to write what [`label_key`] and [`label_value`] take.
pub(super) const LABEL_HELP: &str =
    "use letters, digits, `-`, `_` and `.`, starting and ending with a letter or a digit";

/// A DNS-1123 label: `a-z`, `0-9` and `-`, a letter or digit at both ends, at most 63 long.
pub(super) fn dns_label(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("it is empty".to_owned());
    }
    if let Some(c) = name.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
        return Err(format!("{} has no place in it", named(c)));
    }
    if name.starts_with('-') || name.ends_with('-') {
        return Err("it starts or ends with `-`".to_owned());
    }
    fits(name, LABEL_MAX)
}

/// A name a Service may have: a DNS label that starts with a letter (DNS-1035).
pub(super) fn service_label(name: &str) -> Result<(), String> {
    dns_label(name)?;
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("it starts with a digit, which the name of a Service may not".to_owned());
    }
    Ok(())
}

/// A DNS-1123 subdomain: DNS labels joined by dots.
pub(super) fn subdomain(name: &str) -> Result<(), String> {
    fits(name, SUBDOMAIN_MAX)?;
    name.split('.').try_for_each(dns_label)
}

/// A node's `kubernetes.io/hostname`, which is a label's value as well.
pub(super) fn node(name: &str) -> Result<(), String> {
    subdomain(name)?;
    fits(name, LABEL_MAX)
}

/// The key of a label or an annotation: `name` or `prefix/name`.
pub(super) fn label_key(key: &str) -> Result<(), String> {
    let name = match key.split_once('/') {
        Some((prefix, name)) => {
            subdomain(prefix).map_err(|reason| format!("before `/`, {reason}"))?;
            name
        }
        None => key,
    };
    if name.is_empty() {
        return Err("it is empty".to_owned());
    }
    label_value(name)
}

/// The value of a label: empty, or `A-Z`, `a-z`, `0-9`, `-`, `_`, `.` with a letter or digit at both ends.
pub(super) fn label_value(value: &str) -> Result<(), String> {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if let Some(c) = value.chars().find(|c| !inner(*c)) {
        return Err(format!("{} has no place in it", named(c)));
    }
    let edge = |c: char| !c.is_ascii_alphanumeric();
    if value.starts_with(edge) || value.ends_with(edge) {
        return Err("it does not start and end with a letter or a digit".to_owned());
    }
    fits(value, LABEL_MAX)
}

/// Whether a text is at most `max` bytes long.
pub(super) fn fits(text: &str, max: usize) -> Result<(), String> {
    if text.len() > max {
        return Err(format!("it is {} characters long, {max} at most", text.chars().count()));
    }
    Ok(())
}

/// A character as a message can show it.
fn named(c: char) -> String {
    match c {
        ' ' => "a space".to_owned(),
        'A'..='Z' => format!("the capital `{c}`"),
        c => format!("`{}`", c.escape_debug()),
    }
}

/// Text that can be passed on as it is.
pub(super) fn printable(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("it has control characters".to_owned());
    }
    Ok(())
}
