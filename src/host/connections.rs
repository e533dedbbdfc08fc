//! Who is connected to a service through its socket in the file system (unix(7), sock_diag(7)).
//!
//! The kernel tells the socket at the other end of each connection; which process has that open only processes of the same
//! user tell (`/proc/PID/fd`). A program in a container with a network of its own is not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, ErrorKind, Result};
use std::path::Path;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

use super::processes::{opensc_modules, uid};

/// `SOCK_DIAG_BY_FAMILY`, and its flags `NLM_F_REQUEST | NLM_F_DUMP`.
const BY_FAMILY: u16 = 20;
const DUMP: u16 = 0x301;
/// `NLMSG_ERROR`, `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;
const UNIX: u8 = 1;
/// `TCP_ESTABLISHED`, which stands for "connected" here, and the bit for it.
const ESTABLISHED: u8 = 1;
/// `UDIAG_SHOW_NAME | UDIAG_SHOW_PEER`, and the attributes that they give.
const SHOW: u32 = 0x05;
const NAME: u16 = 0;
const PEER: u16 = 2;
/// Length of a message's head, and of what stands in front of its attributes.
const HEAD: usize = 16;
const BODY: usize = 16;
/// Most messages taken, and processes and open files looked at.
const MOST: usize = 100_000;
/// Most bytes of what a process maps.
const LARGEST_MAPS: u64 = 4 << 20;

/// A process at the other end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Client {
    /// Its number.
    pub pid: u32,
    /// Its name. Not escaped.
    pub name: String,
    /// Has it OpenSC loaded?
    pub has_opensc: bool,
}

/// Who is connected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clients {
    /// The calling user's own processes, but for this one.
    pub own: BTreeSet<Client>,
    /// How many connections are nobody's that can be seen.
    pub others: usize,
}

/// Who is connected to the service that listens at this path.
///
/// # Errors
/// When the kernel does not tell.
pub fn clients(service: &Path) -> Result<Clients> {
    let peers = peers(service.as_os_str().as_encoded_bytes())?;
    let owners = owners(&peers);
    let mut clients = Clients::default();
    for peer in &peers {
        match owners.get(peer) {
            Some(None) => {}
            Some(Some(client)) => {
                clients.own.insert(client.clone());
            }
            None => clients.others += 1,
        }
    }
    Ok(clients)
}

/// The sockets at the other ends of the connections to this path.
fn peers(path: &[u8]) -> Result<BTreeSet<u32>> {
    let socket =
        socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(netlink::SOCK_DIAG))?;
    let mut request = Vec::with_capacity(HEAD + 24);
    request.extend(40_u32.to_ne_bytes());
    request.extend(BY_FAMILY.to_ne_bytes());
    request.extend(DUMP.to_ne_bytes());
    request.extend([0; 8]);
    request.extend([UNIX, 0, 0, 0]);
    request.extend((1_u32 << ESTABLISHED).to_ne_bytes());
    request.extend(0_u32.to_ne_bytes());
    request.extend(SHOW.to_ne_bytes());
    request.extend([0xFF; 8]);
    send(&socket, &request, SendFlags::empty())?;
    let mut peers = BTreeSet::new();
    let mut buffer = vec![0; 64 << 10];
    for _ in 0..MOST {
        let (length, _) = recv(&socket, buffer.as_mut_slice(), RecvFlags::empty())?;
        if take(buffer.get(..length).unwrap_or_default(), path, &mut peers)? {
            return Ok(peers);
        }
    }
    Err(Error::other("the list of sockets has no end"))
}

/// Takes what one answer tells; whether it was the last.
fn take(mut messages: &[u8], path: &[u8], peers: &mut BTreeSet<u32>) -> Result<bool> {
    let broken = || Error::new(ErrorKind::InvalidData, "the kernel's list of sockets cannot be understood");
    while !messages.is_empty() {
        let length = number(messages, 0).ok_or_else(broken)?;
        let length = usize::try_from(length).ok().filter(|length| *length >= HEAD).ok_or_else(broken)?;
        let message = messages.get(..length).ok_or_else(broken)?;
        match short(message, 4) {
            Some(DONE) => return Ok(true),
            Some(ERROR) => return Err(Error::other("the kernel does not list sockets")),
            Some(BY_FAMILY) => {
                let attributes = attributes(message.get(HEAD + BODY..).unwrap_or_default());
                let is_here =
                    attributes.get(&NAME).is_some_and(|name| name.strip_suffix(&[0]).unwrap_or(name) == path);
                let peer = attributes.get(&PEER).and_then(|peer| number(peer, 0)).filter(|peer| *peer != 0);
                peers.extend(peer.filter(|_| is_here));
            }
            _ => {}
        }
        messages = messages.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

fn attributes(mut list: &[u8]) -> BTreeMap<u16, &[u8]> {
    let mut all = BTreeMap::new();
    while let (Some(length), Some(kind)) = (short(list, 0), short(list, 2)) {
        let length = usize::from(length);
        let Some(value) = list.get(4..length) else { break };
        all.insert(kind, value);
        list = list.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    all
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

/// Which of the calling user's processes have these sockets open; this process itself is nobody.
fn owners(sockets: &BTreeSet<u32>) -> BTreeMap<u32, Option<Client>> {
    let mut found = BTreeMap::new();
    let caller = rustix::process::geteuid().as_raw();
    let pids = numbers(Path::new("/proc"));
    for pid in pids {
        let dir = Path::new("/proc").join(pid.to_string());
        let owner = std::fs::read(dir.join("status")).ok().and_then(|status| uid(&status));
        if owner != Some(caller) {
            continue;
        }
        let mut client = None;
        for file in numbers(&dir.join("fd")) {
            let Ok(target) = std::fs::read_link(dir.join("fd").join(file.to_string())) else { continue };
            let Some(socket) =
                socket(target.as_os_str().as_encoded_bytes()).filter(|one| sockets.contains(one))
            else {
                continue;
            };
            let client =
                client.get_or_insert_with(|| (pid != std::process::id()).then(|| describe(&dir, pid)));
            found.insert(socket, client.clone());
        }
    }
    found
}

fn numbers(dir: &Path) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    entries.flatten().take(MOST).filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// `socket:[4711]`
fn socket(target: &[u8]) -> Option<u32> {
    let digits = target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn describe(dir: &Path, pid: u32) -> Client {
    use std::io::Read;
    let mut maps = Vec::new();
    let _ = std::fs::File::open(dir.join("maps")).map(|file| file.take(LARGEST_MAPS).read_to_end(&mut maps));
    let stat = std::fs::read(dir.join("stat")).ok().and_then(|stat| super::processes::stat(&stat));
    let name = stat.map(|(name, _)| String::from_utf8_lossy(&name).into_owned()).unwrap_or_default();
    Client { pid, name, has_opensc: !opensc_modules(&maps).is_empty() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn this_process_is_nobody_and_another_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("service");
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(clients(&path).unwrap(), Clients::default());
        let _own = UnixStream::connect(&path).unwrap();
        let _accepted = listener.accept().unwrap();
        assert_eq!(clients(&path).unwrap(), Clients::default(), "this process");
        // No shell, which may stay beside what it starts.
        let child = std::process::Command::new("sleep")
            .arg("60")
            .stdin(std::os::fd::OwnedFd::from(UnixStream::connect(&path).unwrap()))
            .spawn();
        let mut child = child.unwrap();
        let _also = listener.accept().unwrap();
        let found = clients(&path).unwrap();
        let is_it = |client: &Client| client.pid == child.id() && !client.has_opensc;
        assert!(found.others == 0 && found.own.iter().any(is_it), "{found:?}");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn what_the_kernel_does_not_say_so_is_no_list() {
        let mut peers = BTreeSet::new();
        assert!(take(&[1, 2, 3], b"/x", &mut peers).is_err());
        assert!(take(&[0; 16], b"/x", &mut peers).is_err());
        assert!(!take(&[], b"/x", &mut peers).unwrap());
        assert_eq!(socket(b"socket:[4711]"), Some(4711));
        assert_eq!(socket(b"/dev/null"), None);
    }
}
