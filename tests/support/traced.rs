//! What a program leaves behind, as `strace` sees it: every call that could write, create, rename,
//! remove or change anything, but for what it was told to print and what it says to pcscd.

use std::path::Path;

/// The words to put before a command, so that its calls are written to this file.
pub fn strace(trace: &Path) -> Vec<String> {
    let trace = trace.to_str().expect("UTF-8 path");
    ["strace", "-f", "-y", "-o", trace, "-e", "trace=%file,%desc,%network,%process"].map(str::to_owned).into()
}

/// What was traced.
pub struct Calls {
    pub text: String,
    pub leaving_something: Vec<String>,
}

pub fn calls(trace: &Path) -> Calls {
    let text = std::fs::read_to_string(trace).expect("what strace wrote");
    let leaving_something = text.lines().filter(|line| leaves_something(line)).map(str::to_owned).collect();
    Calls { text, leaving_something }
}

fn leaves_something(line: &str) -> bool {
    // PID, then the call or the end of one.
    let call = line.split_once(' ').map_or(line, |(_, call)| call.trim_start());
    let (name, arguments) = call.split_once('(').unwrap_or((call, ""));
    match name {
        "open" | "openat" | "openat2" => ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"]
            .iter()
            .any(|flag| arguments.contains(flag)),
        // Standard output and error, the socket of pcscd, and threads waking each other.
        "write" | "writev" | "sendto" | "sendmsg" => {
            let (fd, place) = arguments.split_once('<').unwrap_or((arguments, ""));
            !(matches!(fd, "1" | "2")
                || place.starts_with("socket:")
                || place.starts_with("UNIX")
                || place.starts_with("anon_inode:"))
        }
        // The second one is the C library's, looking for a user's name.
        "connect" => !arguments.contains("/run/pcscd/pcscd.comm") && !arguments.contains("/run/nscd/socket"),
        "execve" => !arguments.contains("stalecard"),
        _ => [
            "creat",
            "mkdir",
            "rmdir",
            "unlink",
            "rename",
            "link",
            "symlink",
            "mknod",
            "chmod",
            "fchmod",
            "chown",
            "fchown",
            "lchown",
            "truncate",
            "ftruncate",
            "utime",
            "futimes",
            "fallocate",
            "setxattr",
            "fsetxattr",
            "lsetxattr",
            "removexattr",
            "bind",
            "pwrite",
            "copy_file_range",
            "sendfile",
            "flock",
            "mount",
            "fork",
            "vfork",
            "memfd_create",
        ]
        .iter()
        .any(|prefix| name.starts_with(prefix)),
    }
}
