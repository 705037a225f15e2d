//! Who holds a lock, as the next one reads it: user, host and process.

/// e.g. `anna@workstation, process 4711`.
pub(super) fn name() -> String {
    let user = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let host = host.or_else(|| std::env::var("HOSTNAME").ok());
    let part = |text: Option<String>| text.map_or("?".to_owned(), |text| text.trim().to_owned());
    format!("{}@{}, process {}", part(user), part(host), std::process::id())
}
