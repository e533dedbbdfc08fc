//! What of a path names somebody: components that are not the same on every machine.

/// Hex digits that name something.
const LONG: usize = 16;

/// Below these, whatever is there came with the system.
const OF_THE_SYSTEM: [&str; 12] = [
    "/usr/bin/",
    "/usr/sbin/",
    "/usr/lib/",
    "/usr/lib64/",
    "/usr/libexec/",
    "/usr/share/",
    "/lib/",
    "/lib64/",
    "/bin/",
    "/sbin/",
    "/dev/",
    "/sys/",
];

/// Words that are the same everywhere: OpenSC's own, ours, and those of the Filesystem Hierarchy Standard and of sandboxes.
const COMMON: [&str; 69] = [
    ".",
    "..",
    ".cache",
    ".config",
    ".eid",
    ".local",
    ".var",
    "app",
    "apache2",
    "bin",
    "boot",
    "cache",
    "card",
    "chromium",
    "common",
    "current",
    "dev",
    "eid",
    "etc",
    "firefox",
    "gpg-agent",
    "home",
    "httpd",
    "key",
    "lib",
    "lib64",
    "libexec",
    "local",
    "media",
    "mnt",
    "module",
    "modules",
    "nginx",
    "nonexistent",
    "onepin-opensc-pkcs11.so",
    "opensc",
    "opensc-pkcs11.so",
    "opensc.conf",
    "openvpn",
    "openxpki",
    "opt",
    "org.chromium.Chromium",
    "org.mozilla.Thunderbird",
    "org.mozilla.firefox",
    "p11-kit",
    "pcscd",
    "pcscd.comm",
    "pkcs11",
    "pkcs11.conf",
    "proc",
    "quarantine",
    "root",
    "run",
    "sbin",
    "share",
    "snap",
    "srv",
    "ssh-agent",
    "sshd",
    "sssd",
    "stalecard",
    "state",
    "strongswan",
    "sys",
    "thunderbird",
    "tmp",
    "user",
    "usr",
    "var",
];

/// Endings that say what is in a file.
const ENDINGS: [&str; 9] = [".conf", ".module", ".so", ".json", ".toml", ".pem", ".der", ".html", ".service"];

/// Is this word the same everywhere?
pub(super) fn is_common(word: &str) -> bool {
    COMMON.contains(&word)
}

/// Is this a directory of the system in which each number stands for a user or a process?
pub(super) fn numbers_its_entries(directory: &str) -> bool {
    matches!(directory, "/run/user" | "/proc" | "/proc/self/fd" | "/dev/fd")
}

/// Did all of it come with the system?
pub(super) fn is_of_the_system(path: &str) -> bool {
    OF_THE_SYSTEM.iter().any(|start| path.starts_with(start)) && !path.contains("/..")
}

/// The ending of a file's name that may stay.
pub(super) fn ending(name: &str) -> &'static str {
    ENDINGS.into_iter().find(|ending| name.len() > ending.len() && name.ends_with(ending)).unwrap_or_default()
}

/// Is this the name of a cache entry? It says which file of the card is meant: only its serial number names somebody.
pub(super) fn is_entry(name: &str) -> bool {
    let name = crate::snapshot::ByteString(name.as_bytes().to_vec());
    crate::snapshot::EntryName::from(name).of_copy().is_some()
}

/// Is all of it such a number?
pub(super) fn is_long_number(text: &str) -> bool {
    number(None, text) == Some(text.len())
}

/// The length of a long number in hex that begins here.
pub(super) fn number(before: Option<char>, rest: &str) -> Option<usize> {
    let is_apart = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    if !is_apart(before) {
        return None;
    }
    let length = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
    let after = rest.get(length..).and_then(|rest| rest.chars().next());
    (length >= LONG && is_apart(after)).then_some(length)
}
