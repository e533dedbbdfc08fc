//! Plays a history with the real tools, and compares what they print with what
//! stalecard makes of the same card and caches.
//!
//! Stalecard looks first; then every tool runs on a copy of the cache of its own,
//! because the tools write what they read.

use crate::history::{Action, Damage, History, KINDS, Random, Tamper};
use crate::printed;
use crate::stand::listing::{Pkcs11Listing, Pkcs15Listing};
use crate::stand::{CardFile, Host, PIN, SO_PIN, Stand};
use stalecard::finding::{Finding, Severity};
use stalecard::format::tlv;
use stalecard::rules::{cases, judge};
use stalecard::snapshot::Snapshot;
use stalecard::view::difference::compare;
use stalecard::view::{View, pkcs11};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

const SWITCHES: [&[&str]; 4] = [
    &["--enumerate", "hardware", "--eof", "6282"],
    &["--enumerate", "emulator", "--eof", "9000"],
    &["--enumerate", "hardware", "--eof", "9000"],
    &["--enumerate", "emulator", "--eof", "6282-more"],
];

/// What was seen in all histories: to know that the test has teeth.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub observations: usize,
    /// Observations in which a slot was said to be unknown: nothing compared.
    pub unknown: usize,
    pub objects: usize,
    /// Programs that printed something else than the card's.
    pub stale_pkcs15: usize,
    pub stale_pkcs11: usize,
    /// Differences in what no listing prints, which had to be read one by one.
    pub read_out: usize,
    /// Differences that exist in the view only: attributes that the tools never print.
    pub not_printable: usize,
    pub findings: BTreeMap<&'static str, usize>,
}

/// A stand with four cards and everything that can be prepared.
pub struct World {
    stand: Stand,
    cards: Vec<CardFile>,
    inserted: usize,
    certificates: Vec<PathBuf>,
    issuer_key: PathBuf,
    live: Host,
    hosts: Vec<Host>,
    games: usize,
    ids: Vec<String>,
    /// All contents that an entry has had, by host and name.
    old: BTreeMap<(usize, String), Vec<Vec<u8>>>,
    pub tally: Tally,
}

impl World {
    pub fn new(name: &str) -> Self {
        let stand = Stand::start();
        let mut cards = Vec::new();
        for (number, switches) in SWITCHES.iter().enumerate() {
            cards.push(stand.new_card(&format!("{name}{number}"), switches));
        }
        stand.card().insert(&cards[0]);
        let live = stand.host("reference").live();
        let dir = stand.dir().to_owned();
        let mut certificates = Vec::new();
        let issuer_key = dir.join("c0.key");
        for (number, algorithm) in [
            &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"][..],
            &["rsa:1024"],
            &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
        ]
        .iter()
        .enumerate()
        {
            let (key, der) = (dir.join(format!("c{number}.key")), dir.join(format!("c{number}.der")));
            let mut command = vec!["openssl", "req", "-x509", "-nodes", "-days", "3650", "-newkey"];
            command.extend(*algorithm);
            let subject = format!("/C=DE/CN=foreign {number}");
            command.extend(["-subj", &subject, "-keyout", key.to_str().unwrap()]);
            command.extend(["-outform", "DER", "-out", der.to_str().unwrap()]);
            live.run(&command).ok();
            certificates.push(der);
        }
        // One that the first has issued: OpenSC lists issuers with what they issued.
        let issued = dir.join("c3.der");
        live.sh(&format!(
            "cd {dir} && openssl x509 -inform DER -in c0.der -out c0.pem && \
             openssl req -new -key c2.key -subj /CN=issued -out c3.csr && \
             openssl x509 -req -in c3.csr -CA c0.pem -CAkey c0.key -set_serial 0x8001 -outform DER -out c3.der",
            dir = dir.display()
        ))
        .ok();
        certificates.push(issued);
        Self {
            stand,
            cards,
            inserted: 0,
            certificates,
            issuer_key,
            live,
            hosts: Vec::new(),
            games: 0,
            ids: Vec::new(),
            old: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    /// Plays a history from a clean card and clean hosts; the first disagreement ends it.
    pub fn play(&mut self, history: &History) -> Result<(), String> {
        self.games += 1;
        if self.inserted != history.nature {
            self.stand.card().insert(&self.cards[history.nature]);
            self.inserted = history.nature;
        }
        for host in &self.hosts {
            let _ = fs::remove_dir_all(host.home());
        }
        self.hosts =
            ["alpha", "beta"].map(|name| self.stand.host(&format!("{name}-{}", self.games))).to_vec();
        self.ids.clear();
        self.old.clear();
        self.live.initialize("HSM", PIN, SO_PIN, None);
        let mut random = Random(history.seed ^ 0xF1DE);
        for (number, action) in history.actions.iter().enumerate() {
            self.act(action, &mut random).map_err(|why| format!("at action {number} ({action:?}): {why}"))?;
            self.remember();
        }
        Ok(())
    }

    fn remember(&mut self) {
        for (side, host) in self.hosts.iter().enumerate() {
            for (name, content) in host.cache_files() {
                let versions = self.old.entry((side, name)).or_default();
                if !versions.contains(&content) {
                    versions.push(content);
                }
            }
        }
    }

    /// What the tools refuse, they refuse: only what is listed afterwards counts.
    fn act(&mut self, action: &Action, random: &mut Random) -> Result<(), String> {
        let id = |nth: usize, ids: &[String]| -> String {
            if ids.is_empty() { "01".to_owned() } else { ids[nth % ids.len()].clone() }
        };
        match *action {
            Action::Initialise { host } => {
                self.hosts[host].initialize("HSM", PIN, SO_PIN, None);
            }
            Action::Generate { host, kind, id, label } => {
                let mut options =
                    vec!["--keypairgen".to_owned(), "--key-type".to_owned(), KINDS[kind].to_owned()];
                options.extend(id.into_iter().flat_map(|id| ["--id".to_owned(), format!("{id:02}")]));
                options.extend(label.into_iter().flat_map(|l| ["--label".to_owned(), format!("key {l}")]));
                let options: Vec<&str> = options.iter().map(String::as_str).collect();
                let output = self.hosts[host].pkcs11_login(&options);
                let made = Pkcs11Listing::parse(&output.stdout);
                self.ids.extend(made.public_keys().first().and_then(|key| key.id.clone()));
            }
            Action::DeleteKey { host, nth } => {
                let id = id(nth, &self.ids);
                self.hosts[host].pkcs11_login(&["--delete-object", "--type", "privkey", "--id", &id]);
            }
            Action::DeleteCertificate { host, nth } => {
                let id = if nth % 2 == 0 { "77".to_owned() } else { id(nth, &self.ids) };
                self.hosts[host].pkcs11_login(&["--delete-object", "--type", "cert", "--id", &id]);
            }
            Action::DeleteData { host, name } => {
                let label = format!("data {name}");
                self.hosts[host].pkcs11_login(&["--delete-object", "--type", "data", "--label", &label]);
            }
            Action::WriteCertificate { host, nth, which } => {
                let file = self.certificates[which].to_str().unwrap().to_owned();
                self.write_certificate(host, &file, &id(nth, &self.ids));
            }
            Action::WriteOwnCertificate { host, nth } => {
                let id = id(nth, &self.ids);
                let public = self.live.run(&["pkcs15-tool", "--read-public-key", &id]);
                if public.stdout.contains("PUBLIC KEY") {
                    let key = self.live.scratch("public", public.stdout.as_bytes());
                    let der = self.live.scratch("own", b"");
                    let made = self.live.sh(&format!(
                        "openssl x509 -new -force_pubkey {} -subj '/CN=own' -days 30 -key {} -outform DER -out {}",
                        key.display(),
                        self.issuer_key.display(),
                        der.display()
                    ));
                    if made.success() {
                        self.write_certificate(host, der.to_str().unwrap(), &id);
                    }
                }
            }
            Action::WriteCa { host, id, which } => {
                let file = self.certificates[which].to_str().unwrap().to_owned();
                self.write_certificate(host, &file, &format!("{id:02x}"));
            }
            Action::WriteData { host, name, private, size } => {
                let file = self.live.scratch("data", &vec![b'a' + name; size]);
                let label = format!("data {name}");
                let mut options =
                    vec!["--write-object", file.to_str().unwrap(), "--type", "data", "--label", &label];
                if private {
                    options.push("--private");
                }
                if name == 1 {
                    options.extend(["--application-label", "an application"]);
                }
                self.hosts[host].pkcs11_login(&options);
            }
            Action::List { host, module: false } => {
                self.hosts[host].run(&["pkcs15-tool", "-D"]);
            }
            Action::List { host, module: true } => {
                self.hosts[host].run(&["pkcs11-tool", "-O"]);
            }
            Action::Flush { host } => {
                let output = self.hosts[host].stalecard(&["flush"]);
                if output.code() != 0 {
                    return Err(format!("flush failed: {output}"));
                }
                let left = judge(&snapshot(&self.hosts[host])?).findings;
                if left.iter().any(|finding| finding.severity >= Severity::Error) {
                    return Err(format!("flush has cured not all: {output}\n{}", lines(&left)));
                }
            }
            Action::Damage { host, nth, how } => self.damage(host, nth, how),
            Action::Tamper { nth, how } => self.tamper(nth, how),
            Action::Caching { host, how } => {
                self.hosts[host].configure(&configuration(how));
            }
            Action::Observe => return self.observe(random),
        }
        Ok(())
    }

    fn write_certificate(&self, host: usize, file: &str, id: &str) {
        let label = if file.ends_with("c2.der") { "" } else { "certificate" };
        let mut options = vec!["--write-object", file, "--type", "cert", "--id", id];
        if !label.is_empty() {
            options.extend(["--label", label]);
        }
        self.hosts[host].pkcs11_login(&options);
    }

    fn damage(&self, side: usize, nth: usize, how: Damage) {
        let host = &self.hosts[side];
        let names: Vec<String> =
            host.cache_names().into_iter().filter(|name| !name.ends_with("_C400")).collect();
        if names.is_empty() {
            return;
        }
        let name = &names[nth % names.len()];
        let path = host.cache().join(name);
        let content = fs::read(&path).unwrap_or_default();
        let prefix = name.rsplit('_').next().map(|fid| fid[..2].to_owned()).unwrap_or_default();
        let new = match how {
            Damage::Truncate(at) => Some(content[..at.min(content.len())].to_vec()),
            Damage::Empty => Some(Vec::new()),
            Damage::Random(seed) => {
                let mut random = Random(seed);
                Some((0..1 + random.below(100)).map(|_| random.next() as u8).collect())
            }
            Damage::Begin30 => Some(changed(&content, 0, |_| 0x30)),
            Damage::Zeros(count) => Some([content, vec![0; count]].concat()),
            Damage::Doubled => Some([content.clone(), content].concat()),
            Damage::Huge => {
                let mut long = content;
                long.resize(8192, 0);
                Some(long)
            }
            Damage::Directory | Damage::Missing => None,
            Damage::OtherSlot(nth) => {
                let same: Vec<&String> = names
                    .iter()
                    .filter(|other| other.rsplit('_').next().is_some_and(|fid| fid.starts_with(&prefix)))
                    .collect();
                fs::read(host.cache().join(same[nth % same.len()])).ok()
            }
            Damage::Older(nth) => {
                self.old.get(&(side, name.clone())).map(|versions| versions[nth % versions.len()].clone())
            }
            Damage::Flip(at, bit) => {
                let at = at % content.len().max(1);
                Some(changed(&content, at, |byte| byte ^ bit))
            }
        };
        if path.is_dir() {
            let _ = fs::remove_dir(&path);
        } else {
            let _ = fs::remove_file(&path);
        }
        match new {
            Some(content) => fs::write(&path, content).unwrap(),
            None if how == Damage::Directory => fs::create_dir(&path).unwrap(),
            None => {}
        }
    }

    fn tamper(&self, nth: usize, how: Tamper) {
        let dump = self.stand.card().dump();
        let files: Vec<(u16, Vec<u8>)> = dump["files"]
            .as_object()
            .unwrap()
            .iter()
            .filter_map(|(fid, content)| {
                let fid = u16::from_str_radix(fid, 16).ok()?;
                let content = data_encoding::HEXLOWER_PERMISSIVE.decode(content.as_str()?.as_bytes()).ok()?;
                Some((fid, content))
            })
            .filter(|(fid, _)| matches!(fid >> 8, 0xC4 | 0xC8 | 0xC9 | 0xCA | 0xCE | 0xCF) && *fid != 0xC400)
            .collect();
        if how == Tamper::LastUpdate {
            let time = tlv::encode(0xA5, &tlv::encode(0x18, b"20260131080000Z"));
            let info = [&[2, 1, 0, 4, 0][..], &tlv::encode(0x80, b"dated"), &[3, 2, 5, 0x20], &time].concat();
            self.stand.card().tamper(0x2F03, Some(&tlv::encode(0x30, &info)));
            return;
        }
        let requests: Vec<&(u16, Vec<u8>)> =
            files.iter().filter(|(_, content)| content.first() == Some(&0x67)).collect();
        let all: Vec<&(u16, Vec<u8>)> = files.iter().collect();
        let wanted = match how {
            Tamper::PlainCertificate | Tamper::NoInnerCar | Tamper::UnknownCurve => &requests,
            _ => &all,
        };
        if wanted.is_empty() {
            return;
        }
        let (fid, content) = wanted[nth % wanted.len()];
        let new = match how {
            Tamper::Delete | Tamper::LastUpdate => None,
            Tamper::Empty => Some(Vec::new()),
            Tamper::PlainCertificate => plain(content),
            Tamper::NoInnerCar => without_car(content),
            Tamper::UnknownCurve => Some(unknown_curve(content)),
            Tamper::Truncate(at) => Some(content[..at.min(content.len())].to_vec()),
            Tamper::Flip(at, bit) => {
                let at = at % content.len().max(1);
                Some(changed(content, at, |byte| byte ^ bit))
            }
            Tamper::CopyOfOther(nth) => {
                let same: Vec<_> = files.iter().filter(|(other, _)| other >> 8 == fid >> 8).collect();
                Some(same[nth % same.len()].1.clone())
            }
        };
        self.stand.card().tamper(*fid, new.as_deref());
    }

    fn observe(&mut self, random: &mut Random) -> Result<(), String> {
        let login = random.below(3) > 0;
        let live15 = run_pkcs15(&self.live)?;
        let live11 = run_pkcs11(&self.live, login)?;
        for side in 0..self.hosts.len() {
            let host = self.hosts[side].clone();
            self.observe_host(&host, login, &live15, &live11, random)
                .map_err(|why| format!("on {}: {why}", host.name()))?;
        }
        Ok(())
    }

    fn observe_host(
        &mut self,
        host: &Host,
        login: bool,
        live15: &[String],
        live11: &[String],
        random: &mut Random,
    ) -> Result<(), String> {
        let before = host.cache_files();
        let snapshot = snapshot(host)?;
        if host.cache_files() != before {
            return Err("stalecard has changed the cache".to_owned());
        }
        let cached15 = run_pkcs15(&host.with_cache_copy())?;
        let cached11 = run_pkcs11(&host.with_cache_copy(), login)?;

        let cases = cases(&snapshot);
        let [case] = cases.as_slice() else { return Err(format!("{} cards", cases.len())) };
        let view = |program: &str| -> &View {
            let reads =
                |lens: &&stalecard::rules::case::Lens<'_>| lens.programs.iter().any(|name| name == program);
            case.lenses.iter().find(reads).map_or(&case.live, |lens| &lens.shown)
        };
        let (shown15, shown11) = (view("pkcs15-tool"), view("opensc-pkcs11"));
        for unknown in [&case.live, shown15, shown11] {
            if !unknown.unknown.is_empty() {
                // Said to be unknown, with the reason: right, as long as it is rare.
                self.tally.unknown += 1;
                return Ok(());
            }
        }
        same("live view, pkcs15-tool -D", &printed::expected_pkcs15(&case.live), live15)?;
        same("live view, pkcs11-tool -O", &printed::expected_pkcs11(&case.live, login), live11)?;
        same("OpenSC view, pkcs15-tool -D", &printed::expected_pkcs15(shown15), &cached15)?;
        same("OpenSC view, pkcs11-tool -O", &printed::expected_pkcs11(shown11, login), &cached11)?;

        let verdict = judge(&snapshot);
        if random.below(4) == 0 {
            let check = host.stalecard(&["check"]);
            let wrong = verdict.findings.iter().any(|finding| finding.severity >= Severity::Error);
            if check.code() != i32::from(wrong) {
                return Err(format!("check ends with another code than its findings say: {check}"));
            }
        }
        for finding in &verdict.findings {
            *self.tally.findings.entry(finding.id.name()).or_default() += 1;
        }
        self.tally.observations += 1;
        self.tally.objects += case.live.objects.len();
        let named = |program: &str| {
            verdict.findings.iter().any(|finding| {
                finding.severity >= Severity::Error && finding.program.iter().any(|name| name == program)
            })
        };
        // A private object's change shows after login only: the projection says so for both.
        let differ15 = cached15 != live15;
        let differ11 = cached11 != live11;
        self.tally.stale_pkcs15 += usize::from(differ15);
        self.tally.stale_pkcs11 += usize::from(differ11);
        for (program, named, differ, shown) in [
            ("pkcs15-tool", named("pkcs15-tool"), differ15, shown15),
            ("opensc-pkcs11", named("opensc-pkcs11"), differ11, shown11),
        ] {
            let findings = || lines(&verdict.findings);
            if differ && !named {
                return Err(format!(
                    "miss: {program} shows the card wrong, no error names it\n{}",
                    findings()
                ));
            }
            if named && !differ {
                if self.reads_differ(host, program, &case.live, shown) {
                    self.tally.read_out += 1;
                } else if unprinted(program, &case.live, shown, login) {
                    self.tally.not_printable += 1;
                } else {
                    return Err(format!(
                        "false alarm: an error names {program}, which shows the card\n{}",
                        findings()
                    ));
                }
            }
        }
        Ok(())
    }

    /// Do the values behind the listing differ: public keys, certificates, data?
    fn reads_differ(&self, host: &Host, program: &str, live: &View, shown: &View) -> bool {
        let mut ids: Vec<String> = Vec::new();
        for difference in compare(live, shown) {
            for object in [difference.live, difference.shown].into_iter().flatten() {
                let id: String = object.id.iter().map(|byte| format!("{byte:02x}")).collect();
                if !id.is_empty() && !ids.contains(&id) {
                    ids.push(id);
                }
            }
        }
        let read = |host: &Host, id: &str| -> Vec<Vec<u8>> {
            let commands: Vec<Vec<&str>> = if program == "pkcs15-tool" {
                ["--read-public-key", "--read-certificate"].map(|what| vec!["pkcs15-tool", what, id]).to_vec()
            } else {
                ["pubkey", "cert"]
                    .map(|what| vec!["pkcs11-tool", "--read-object", "--type", what, "--id", id])
                    .to_vec()
            };
            commands.iter().map(|command| host.run(command).raw).collect()
        };
        let copy = host.with_cache_copy();
        ids.iter().any(|id| read(&copy, id) != read(&self.live, id))
    }
}

/// Do the views differ only in what the listing does not print and reading by ID does not reach?
/// The listings have been compared with the views already, so here it is enough that there *is*
/// a difference to an application.
fn unprinted(program: &str, live: &View, shown: &View, login: bool) -> bool {
    if program == "opensc-pkcs11" {
        let private = |view: &View| printed::expected_pkcs11(view, true);
        return pkcs11::differing_slots(live, shown).iter().any(|_| true)
            && (!login || private(live) == private(shown));
    }
    !compare(live, shown).is_empty()
}

fn snapshot(host: &Host) -> Result<Snapshot, String> {
    let output = host.stalecard(&["snapshot"]);
    if output.code() != 0 {
        return Err(format!("no snapshot: {output}"));
    }
    serde_json::from_str(&output.stdout).map_err(|error| format!("{error} in {output}"))
}

fn lines(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        format!("{:?} {} {:?}: {}\n", finding.severity, finding.id.name(), finding.program, finding.summary)
    };
    findings.iter().map(line).collect()
}

fn run_pkcs15(host: &Host) -> Result<Vec<String>, String> {
    let output = host.run(&["pkcs15-tool", "-D"]);
    let listing = Pkcs15Listing::parse(&output.stdout).ok_or_else(|| format!("no card: {output}"))?;
    Ok(printed::pkcs15(&listing))
}

fn run_pkcs11(host: &Host, login: bool) -> Result<Vec<String>, String> {
    let output = if login { host.pkcs11_login(&["-O"]) } else { host.run(&["pkcs11-tool", "-O"]) };
    if output.code() != 0 {
        return Err(format!("listing failed: {output}"));
    }
    Ok(printed::pkcs11(&Pkcs11Listing::parse(&output.stdout)))
}

fn same(what: &str, expected: &[String], printed: &[String]) -> Result<(), String> {
    if expected == printed {
        return Ok(());
    }
    let mark = |lines: &[String], others: &[String]| {
        let line = |line: &String| format!("  {} {line}\n", if others.contains(line) { ' ' } else { '!' });
        lines.iter().map(line).collect::<String>()
    };
    Err(format!(
        "{what}\n stalecard says:\n{} OpenSC prints:\n{}",
        mark(expected, printed),
        mark(printed, expected)
    ))
}

fn changed(content: &[u8], at: usize, change: impl Fn(u8) -> u8) -> Vec<u8> {
    let mut content = content.to_vec();
    if let Some(byte) = content.get_mut(at) {
        *byte = change(*byte);
    }
    content
}

/// The request without its outer signature.
fn plain(request: &[u8]) -> Option<Vec<u8>> {
    Some(tlv::first(tlv::first(request)?.value)?.raw.to_vec())
}

fn without_car(request: &[u8]) -> Option<Vec<u8>> {
    let outer = tlv::first(request)?.value;
    let certificate = tlv::first(outer)?;
    let body = tlv::first(certificate.value)?;
    let version = tlv::first(body.value)?;
    let rest = tlv::first(version.rest)?.rest;
    let body = [tlv::encode(0x7F4E, &[version.raw, rest].concat()), body.rest.to_vec()].concat();
    Some(tlv::encode(0x67, &[tlv::encode(0x7F21, &body), certificate.rest.to_vec()].concat()))
}

/// The request with another prime.
fn unknown_curve(request: &[u8]) -> Vec<u8> {
    let at = request.windows(2).position(|pair| pair == [0x81, 0x20]).unwrap_or(60);
    changed(request, at + 5, |byte| byte ^ 1)
}

fn configuration(how: usize) -> String {
    let block = |app: &str, value: &str| {
        format!("app {app} {{\n\tframework pkcs15 {{\n\t\tuse_file_caching = {value};\n\t}}\n}}\n")
    };
    match how {
        0 | 1 => block("default", "yes"),
        2 => block("default", "public"),
        3 => block("default", "no"),
        4 => block("default", "yes") + &block("opensc-pkcs11", "no"),
        5 => block("default", "yes") + &block("pkcs15-tool", "no"),
        6 => block("default", "no") + &block("pkcs15-tool", "public"),
        _ => block("default", "no") + &block("opensc-pkcs11", "public"),
    }
}
