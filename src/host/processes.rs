//! Which processes have OpenSC loaded, from Linux's `/proc` (proc(5), cgroups(7)).
//!
//! Everything a user decides in there is taken with care: the name and path of a program, the
//! names of the files it maps, and its control group as far as that user may make some.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustix::time::{ClockId, clock_gettime};
use time::{Duration, OffsetDateTime};

use super::OPENSC_VARIABLES;
use crate::patience::{Overdue, Pulse, SILENCE, within};
use crate::snapshot::{ByteString, Modules, Process, Unit};

/// Most processes looked at.
const MOST: usize = 100_000;
/// Most bytes taken of `maps`: a program with hundreds of libraries has a tenth of it.
const LARGEST_MAPS: u64 = 4 << 20;
/// Most bytes taken of any other file there.
const LARGEST: u64 = 64 << 10;
/// Most processes between one and the one that started it.
const DEEPEST: usize = 8;

/// The processes of user `uid` (of all users: `None`) that have OpenSC loaded, or of which that
/// cannot be told.
///
/// # Errors
/// When one of them, or the user database, does not answer.
pub fn observe(uid: Option<u32>) -> Result<Vec<Process>, Overdue> {
    within(SILENCE, move |pulse| observe_in(Path::new("/proc"), uid, pulse))
}

fn observe_in(proc: &Path, wanted: Option<u32>, pulse: &Pulse) -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir(proc) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut pids: Vec<u32> = names.take(MOST).collect();
    pids.sort_unstable();
    let started = boot();
    let own = std::process::id();
    let pids = pids.into_iter().filter(|pid| *pid != own);
    let pids = pids.inspect(|_| pulse.beat());
    pids.filter_map(|pid| process(&proc.join(pid.to_string()), pid, wanted, started)).collect()
}

/// One process; `None` for one that has ended meanwhile, too.
fn process(dir: &Path, pid: u32, wanted: Option<u32>, boot: OffsetDateTime) -> Option<Process> {
    let uid = uid(&read(&dir.join("status"), LARGEST).ok()?)?;
    if wanted.is_some_and(|wanted| wanted != uid) {
        return None;
    }
    let modules = match read(&dir.join("maps"), LARGEST_MAPS) {
        Ok(maps) => Modules::Loaded(opensc_modules(&maps)),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Modules::Unknown,
        Err(_) => return None,
    };
    if modules == Modules::Loaded(Vec::new()) {
        return None;
    }
    let (name, ticks) = stat(&read(&dir.join("stat"), LARGEST).ok()?)?;
    let hertz = i64::try_from(rustix::param::clock_ticks_per_second()).ok().filter(|hertz| *hertz > 0)?;
    let ticks = i64::try_from(ticks).ok()?;
    let since_boot = Duration::seconds(ticks / hertz) + Duration::milliseconds(ticks % hertz * 1000 / hertz);
    let program = std::fs::read_link(dir.join("exe")).map_or_else(|_| ByteString(name), ByteString::from);
    Some(Process {
        pid,
        uid,
        user: uzers::get_user_by_uid(uid).map(|user| user.name().to_string_lossy().into_owned()),
        program,
        started_at: boot.checked_add(since_boot)?,
        modules,
        env: read(&dir.join("environ"), LARGEST_MAPS).ok().as_deref().and_then(environment),
        unit: read(&dir.join("cgroup"), LARGEST).ok().as_deref().and_then(unit),
        offers: None,
    })
}

/// The variables with effect on OpenSC, from `environ`; `None` where there is nothing, as a program can arrange it.
#[must_use]
pub fn environment(environ: &[u8]) -> Option<BTreeMap<String, ByteString>> {
    let known = |variable: &[u8]| {
        let (name, value) = variable.split_at(memchr::memchr(b'=', variable)?);
        let name = OPENSC_VARIABLES.into_iter().find(|known| known.as_bytes() == name)?;
        Some((name.to_owned(), ByteString(value.get(1..)?.to_vec())))
    };
    let all = || environ.split(|byte| *byte == 0);
    // Of several with one name the first counts.
    all().any(|variable| variable.contains(&b'=')).then(|| {
        let mut found = BTreeMap::new();
        for (name, value) in all().filter_map(known) {
            found.entry(name).or_insert(value);
        }
        found
    })
}

/// Was a process started by this one, or by one that it started?
#[must_use]
pub fn is_below(pid: u32, ancestor: u32) -> bool {
    let parent =
        |pid: &u32| parent(&read(&Path::new("/proc").join(pid.to_string()).join("stat"), LARGEST).ok()?);
    std::iter::successors(parent(&pid), parent).take(DEEPEST).any(|above| above == ancestor)
}

fn read(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    // The kernel tells no sizes here, and gives a page at a time.
    let mut bytes = Vec::with_capacity(8 << 10);
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// When this machine was started, by today's clock.
fn boot() -> OffsetDateTime {
    let up = clock_gettime(ClockId::Boottime);
    let up = Duration::new(up.tv_sec, i32::try_from(up.tv_nsec).unwrap_or(0));
    let now = super::clock::now();
    now.checked_sub(up).unwrap_or(now)
}

/// The effective user, from `status`; `None` for a kernel thread, which has no memory of its own.
#[must_use]
pub fn uid(status: &[u8]) -> Option<u32> {
    let value = |name: &[u8]| {
        status.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(name)).map(<[u8]>::trim_ascii)
    };
    value(b"VmSize:")?;
    let effective = value(b"Uid:")?.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).nth(1)?;
    std::str::from_utf8(effective).ok()?.parse().ok()
}

/// The name, and the start in clock ticks since boot, from `stat`. The name is in parentheses and
/// may hold anything, more of them too.
#[must_use]
pub fn stat(stat: &[u8]) -> Option<(Vec<u8>, u64)> {
    let open = stat.iter().position(|&byte| byte == b'(')?;
    let close = stat.iter().rposition(|&byte| byte == b')')?;
    Some((stat.get(open + 1..close)?.to_vec(), field(stat, 22)?.parse().ok()?))
}

/// The process that started it, from `stat`.
fn parent(stat: &[u8]) -> Option<u32> {
    field(stat, 4)?.parse().ok()
}

/// One of the fields behind the name, which is the second; the state is the third.
fn field(stat: &[u8], number: usize) -> Option<&str> {
    let close = stat.iter().rposition(|&byte| byte == b')')?;
    let fields = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    fields.split_ascii_whitespace().nth(number.checked_sub(3)?)
}

/// The files of OpenSC, and p11-kit's proxy, among those that `maps` names; each once.
#[must_use]
pub fn opensc_modules(maps: &[u8]) -> Vec<ByteString> {
    let mut found: Vec<ByteString> = Vec::new();
    for line in maps.split(|&byte| byte == b'\n') {
        let Some(slash) = memchr::memchr(b'/', line) else { continue };
        let path = line.get(slash..).unwrap_or_default();
        let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
        let file = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        if (is_opensc(file) || file == b"p11-kit-proxy.so") && found.iter().all(|known| known.0 != path) {
            found.push(ByteString(path.to_vec()));
        }
    }
    // The proxy alone asks somebody else, who is a process of his own.
    if found.iter().any(|name| name.0.rsplit(|&byte| byte == b'/').next().is_some_and(is_opensc)) {
        found
    } else {
        Vec::new()
    }
}

fn is_opensc(file: &[u8]) -> bool {
    matches!(file, b"opensc-pkcs11.so" | b"onepin-opensc-pkcs11.so") || file.starts_with(b"libopensc.so.")
}

/// The systemd service of a process, from `cgroup`: the outermost one, because a service may make
/// groups below its own as it likes. In a user's session it is the outermost one below the user's manager.
#[must_use]
pub fn unit(cgroup: &[u8]) -> Option<Unit> {
    let path = cgroup.split(|&byte| byte == b'\n').find_map(|line| {
        // The one hierarchy of version 2, or systemd's own of version 1.
        line.strip_prefix(b"0::").or_else(|| Some(line.split_once_str(b":name=systemd:")?.1))
    })?;
    let mut of_user = false;
    for part in path.split(|&byte| byte == b'/') {
        let manager = part.strip_prefix(b"user@").and_then(|rest| rest.strip_suffix(b".service"));
        if manager.is_some() && !of_user {
            of_user = true;
        } else if part.ends_with(b".service") {
            let unit = Unit { name: std::str::from_utf8(part).ok()?.to_owned(), of_user };
            return Some(unit).filter(Unit::is_sound);
        } else if part.ends_with(b".scope") {
            return None;
        }
    }
    None
}

/// `split_once` for bytes.
trait SplitOnce {
    fn split_once_str(&self, by: &[u8]) -> Option<(&[u8], &[u8])>;
}

impl SplitOnce for [u8] {
    fn split_once_str(&self, by: &[u8]) -> Option<(&[u8], &[u8])> {
        let at = memchr::memmem::find(self, by)?;
        Some((self.get(..at)?, self.get(at + by.len()..)?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn of_an_environment_what_has_effect_on_opensc_is_kept() {
        let known = environment(b"PATH=/bin\0HOME=/h\0HOME=/other\0OPENSC_CONF=\0SECRET=x\0").unwrap();
        let expected = [("HOME".to_owned(), "/h".into()), ("OPENSC_CONF".to_owned(), "".into())];
        assert_eq!(known, BTreeMap::from(expected));
        // A service may have none of them; what was overwritten tells nothing.
        assert_eq!(environment(b"PATH=/bin\0"), Some(BTreeMap::new()));
        assert_eq!(environment(b"a title"), None);
        assert_eq!(environment(b""), None);
    }

    #[test]
    fn modules_are_known_by_the_files_they_were_mapped_from() {
        let maps = b"55d0-55d1 r--p 00000000 fe:00 1 /usr/bin/pkcs11-tool\n\
            7f10-7f11 r-xp 00000000 fe:00 2                    /usr/lib/x86_64-linux-gnu/libopensc.so.8.1.0\n\
            7f11-7f12 r--p 00000000 fe:00 2                    /usr/lib/x86_64-linux-gnu/libopensc.so.8.1.0\n\
            7f12-7f13 r-xp 00000000 fe:00 3                    /opt/a b/opensc-pkcs11.so (deleted)\n\
            7f13-7f14 rw-p 00000000 00:00 0                    [heap]\n\
            7f14-7f15 r-xp 00000000 fe:00 4                    /usr/lib/p11-kit-proxy.so\n\
            7f15-7f16 r-xp 00000000 fe:00 5                    /usr/lib/opensc-pkcs11.so.d/other.so\n";
        let names: Vec<String> = opensc_modules(maps).iter().map(ToString::to_string).collect();
        assert_eq!(
            names,
            [
                "/usr/lib/x86_64-linux-gnu/libopensc.so.8.1.0",
                "/opt/a b/opensc-pkcs11.so",
                "/usr/lib/p11-kit-proxy.so"
            ]
        );
        // The proxy of a program whose modules are all in another process, or are others.
        assert_eq!(opensc_modules(b"7f14-7f15 r-xp 0 fe:00 4 /usr/lib/p11-kit-proxy.so\n"), []);
        assert_eq!(opensc_modules(b""), []);
    }

    #[test]
    fn a_name_with_parentheses_does_not_move_the_fields() {
        let line = b"7 (a) R 1 (b) S 1 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 12345 1000 20 0";
        assert_eq!(stat(line), Some((b"a) R 1 (b".to_vec(), 12345)));
        assert_eq!(parent(line), Some(1));
        assert_eq!(stat(b"7 )("), None);
        assert_eq!(stat(b"7 (a) S 1"), None);
    }

    #[test]
    fn the_effective_user_counts_and_kernel_threads_have_no_memory() {
        let status = b"Name:\tx\nUid:\t1000\t33\t1000\t1000\nVmSize:\t  10 kB\n";
        assert_eq!(uid(status), Some(33));
        assert_eq!(uid(b"Name:\tkworker\nUid:\t0\t0\t0\t0\n"), None);
    }

    #[test]
    fn units_are_the_outermost_services() {
        let of = |path: &str| unit(path.as_bytes()).map(|unit| (unit.name, unit.of_user));
        let named = |name: &str, of_user| Some((name.to_owned(), of_user));
        assert_eq!(of("0::/system.slice/ca.service\n"), named("ca.service", false));
        assert_eq!(of("0::/system.slice/ca.service/ssh.service"), named("ca.service", false));
        assert_eq!(
            of("12:cpu:/x\n1:name=systemd:/system.slice/a\\x2db@1.service\n"),
            named("a\\x2db@1.service", false)
        );
        let user = "0::/user.slice/user-1000.slice/user@1000.service";
        assert_eq!(of(&format!("{user}/app.slice/agent.service")), named("agent.service", true));
        assert_eq!(of(&format!("{user}/app.slice/app-firefox-1.scope/ssh.service")), None);
        assert_eq!(of(&format!("{user}/user@0.service/x")), named("user@0.service", true));
        assert_eq!(of("0::/user.slice/user-0.slice/session-1.scope"), None);
        assert_eq!(of("0::/system.slice/a;reboot.service"), None);
        assert_eq!(of("0::/system.slice/--now.service"), None);
        assert_eq!(of("0::/"), None);
        assert_eq!(of(""), None);
    }

    #[test]
    fn this_process_has_no_opensc_and_others_are_found() {
        let own = process(Path::new("/proc/self"), std::process::id(), None, boot());
        assert_eq!(own, None);
        assert_eq!(observe_in(Path::new("/nowhere"), None, &Pulse::default()), []);
        let own = std::process::id();
        assert!(is_below(own, std::os::unix::process::parent_id()) && !is_below(own, own) && !is_below(0, 1));
    }
}
