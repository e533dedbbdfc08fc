//! Compares what the real tools print with what stalecard makes of the same card and caches.
//!
//! Stalecard looks first; then every tool runs on a copy of the cache of its own,
//! because the tools write what they read.

use crate::history::Random;
use crate::stand::listing::{Block, Pkcs11Listing, Pkcs15Listing, blocks};
use crate::stand::{Host, Output};
use serde_json::Value;
use stalecard::case::token::Case;
use stalecard::finding::{Finding, Id, ObjectName, Severity};
use stalecard::format::key::PublicKey;
use stalecard::judge::{judge, tokens};
use stalecard::opensc::Version;
use stalecard::snapshot::{EfPath, Gap, GapKind, Snapshot};
use stalecard::view::difference::{Kind, compare};
use stalecard::view::{Class, View, pkcs11};
use std::collections::BTreeMap;

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
    /// Keys and certificates that nobody lists, and that were told.
    pub missed: usize,
    /// Repairs of copies, and the keys whose signatures verified, or did not, before and after.
    pub repairs: usize,
    pub keys: BTreeMap<(&'static str, &'static str), usize>,
    /// What a fresh signature said of them.
    pub conclusions: BTreeMap<String, usize>,
}

/// How listings are put into lines: as printed, and as a view says they should be.
pub struct Words {
    pub pkcs15: fn(&Host, &Pkcs15Listing) -> Vec<String>,
    pub expected_pkcs15: fn(&View, Version) -> Vec<String>,
    pub pkcs11: fn(&Pkcs11Listing) -> Vec<String>,
    pub expected_pkcs11: fn(&View, bool, Version) -> Vec<String>,
    pub can_log_in: fn(&View) -> bool,
    /// What the card holds and everybody may see: keys by reference and EF, and certificates in their places; none where
    /// the card's own memory does not tell them so.
    pub held: fn(&Value) -> Option<BTreeMap<u8, EfPath>>,
    /// The labels of the tokens as which OpenSC shows the card, if they are several.
    pub tokens: &'static [&'static str],
}

/// A further application of a card, which is a token of its own.
#[derive(Clone, Debug)]
pub struct Further {
    aid: String,
    label: String,
}

impl Further {
    /// None for the token that the tools take by themselves.
    fn of(case: &Case<'_>) -> Option<Self> {
        let aid = case.card.application.as_ref()?.hex();
        let label = case.layout.label(case.card).unwrap_or_default();
        Some(Self { aid, label: String::from_utf8_lossy(&label).into_owned() })
    }

    fn for_pkcs15(which: Option<&Self>) -> Vec<&str> {
        which.map_or_else(Vec::new, |further| vec!["--aid", &further.aid])
    }

    /// Its slot in `pkcs11-tool -L`; behind the label of the token stands that of a PIN, if it has one.
    fn slot(&self, host: &Host) -> Result<String, String> {
        let is_own = |block: &Block| {
            let rest = block.get("token label").and_then(|label| label.strip_prefix(&self.label));
            block.head.starts_with("Slot ")
                && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" ("))
        };
        let mut listing = String::new();
        for _ in 0..=AGAIN {
            listing = host.run(&["pkcs11-tool", "-L"]).stdout;
            if let Some(slot) = blocks(&listing).into_iter().find(is_own) {
                return Ok(slot.head.split_whitespace().nth(1).unwrap_or_default().to_owned());
            }
        }
        Err(format!("no slot \"{}\" in {listing}", self.label))
    }
}

/// On a busy machine pcscd 2 now and then sees no card for a moment. That is no answer: it is asked again so often, and
/// if it never comes, the history fails.
const AGAIN: usize = 3;

fn sees_no_card(output: &Output) -> bool {
    ["No slot with a token was found", "C_GetSlotInfo failed"]
        .iter()
        .any(|words| output.stderr.contains(words))
}

impl Words {
    pub fn run_pkcs15(&self, host: &Host, which: Option<&Further>) -> Result<Vec<String>, String> {
        let command = [&["pkcs15-tool", "-D"][..], &Further::for_pkcs15(which)].concat();
        let run = || host.run(&command);
        let mut output = run();
        // 0.21 aborts now and then at a PIV card with an empty CHUID. What it said until then is no list.
        for _ in 0..10 {
            if output.code() < 128 {
                break;
            }
            output = run();
        }
        if output.code() >= 128 {
            return Err(format!("died: {output}"));
        }
        let listing = Pkcs15Listing::parse(&output.stdout).ok_or_else(|| format!("no card: {output}"))?;
        Ok((self.pkcs15)(host, &listing))
    }

    pub fn run_pkcs11(
        &self,
        host: &Host,
        login: bool,
        which: Option<&Further>,
    ) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        let slot = which.map(|further| further.slot(host)).transpose()?;
        let of_slot = slot.as_ref().map_or_else(Vec::new, |slot| vec!["--slot-index", slot.as_str()]);
        for of_token in self.of_tokens() {
            let words = [&["-O"][..], &of_token, &of_slot].concat();
            let run = || {
                if login {
                    host.pkcs11_login(&words)
                } else {
                    host.run(&[&["pkcs11-tool"][..], &words].concat())
                }
            };
            let mut output = run();
            for _ in 0..AGAIN {
                if !(self.tokens.is_empty() && sees_no_card(&output)) {
                    break;
                }
                output = run();
            }
            // A token without a key is not shown, unless it is the only one.
            if !self.tokens.is_empty() && output.stderr.contains("No slot with ") {
                continue;
            }
            if output.code() != 0 {
                return Err(format!("listing failed: {output}"));
            }
            lines.extend((self.pkcs11)(&Pkcs11Listing::parse(&output.stdout)));
        }
        Ok(lines)
    }

    /// What names each token in a command; nothing if there is one only.
    fn of_tokens(&self) -> Vec<Vec<&'static str>> {
        match self.tokens {
            [] => vec![Vec::new()],
            labels => labels.iter().map(|label| vec!["--token-label", *label]).collect(),
        }
    }
}

/// Two hosts, and one that caches nothing.
pub struct Observer {
    pub live: Host,
    pub hosts: Vec<Host>,
    pub tally: Tally,
    pub words: Words,
    /// Of the OpenSC that is asked.
    pub version: Version,
}

impl Observer {
    /// `held`: what the card's own memory says that it holds.
    pub fn observe(
        &mut self,
        random: &mut Random,
        held: Option<&BTreeMap<u8, EfPath>>,
    ) -> Result<(), String> {
        let login = random.below(3) > 0;
        let mut live = Vec::new();
        for side in 0..self.hosts.len() {
            let host = self.hosts[side].clone();
            self.observe_host(&host, login, &mut live, random, held)
                .map_err(|why| format!("on {}: {why}", host.name()))?;
        }
        Ok(())
    }

    /// `live`: what the tools list of each token without a cache, once that is known.
    fn observe_host(
        &mut self,
        host: &Host,
        login: bool,
        live: &mut Vec<[Vec<String>; 2]>,
        random: &mut Random,
        held: Option<&BTreeMap<u8, EfPath>>,
    ) -> Result<(), String> {
        let before = host.cache_files();
        let snapshot = snapshot(host)?;
        if host.cache_files() != before {
            return Err("stalecard has changed the cache".to_owned());
        }
        let cases = tokens(&snapshot).cases;
        let is_one = cases.iter().skip(1).all(|case| case.card.application.is_some());
        if cases.is_empty() || !is_one {
            return Err(format!("{} cards", cases.len()));
        }
        let whole = judge(&snapshot);
        if random.below(4) == 0 {
            let check = host.stalecard(&["check"]);
            let wrong = whole.findings.iter().any(|finding| finding.severity >= Severity::Error);
            if check.code() != i32::from(wrong) {
                return Err(format!("check ends with another code than its findings say: {check}"));
            }
        }
        for finding in &whole.findings {
            *self.tally.findings.entry(finding.id.name()).or_default() += 1;
        }
        let mut of_tokens = 0;
        for (place, case) in cases.iter().enumerate() {
            let which = Further::of(case);
            let login = login && (self.words.can_log_in)(&case.live);
            if live.len() == place {
                let listed = [
                    self.words.run_pkcs15(&self.live, which.as_ref())?,
                    self.words.run_pkcs11(&self.live, login, which.as_ref())?,
                ];
                live.push(listed);
            }
            // What is said of this token alone.
            let alone = Snapshot { cards: vec![case.card.clone()], ..snapshot.clone() };
            let verdict = if cases.len() == 1 { whole.findings.clone() } else { judge(&alone).findings };
            of_tokens += verdict.iter().filter(|finding| is_wrong_view(finding)).count();
            self.observe_token(host, case, which.as_ref(), login, &live[place], &verdict)?;
        }
        if whole.findings.iter().filter(|finding| is_wrong_view(finding)).count() != of_tokens {
            return Err(format!("findings are not those of the tokens\n{}", lines(&whole.findings)));
        }
        // The live views are what the tools list: what ends a list early on the card itself is told.
        let ends = |case: &&Case<'_>| case.live.unknown.is_empty() && pkcs11::broken(&case.live).is_some();
        let told = whole.findings.iter().filter(|finding| finding.id == Id::KeyNotListed);
        let told = told.filter(|finding| finding.summary.contains("its place is none")).count();
        if cases.iter().filter(ends).count() != told {
            return Err(format!("all-clear: a broken certificate on the card\n{}", lines(&whole.findings)));
        }
        if let (Some(held), [case]) = (held, cases.as_slice()) {
            self.all_is_told(case, held, &whole.findings)?;
        }
        Ok(())
    }

    /// Is all that the card holds either in the live list, which the real tools print, or said to be in none? And nothing else
    /// of keys?
    fn all_is_told(
        &mut self,
        case: &Case<'_>,
        held: &BTreeMap<u8, EfPath>,
        findings: &[Finding],
    ) -> Result<(), String> {
        if !case.live.unknown.is_empty() {
            return Ok(());
        }
        // Of a kind that no list has; which kinds those are is the views' own question.
        let is_other = |reference: u8| {
            case.unlisted.iter().any(|unlisted| {
                unlisted.reference == Some(reference)
                    && unlisted.cure().is_none()
                    && matches!(unlisted.key, Some(PublicKey::Other(_)))
            })
        };
        // A certificate stands for its key, of whatever kind that is.
        let is_listed = |ef: EfPath| case.live.of_ef(ef).any(|object| object.part.is_of_key());
        let is_told = |finding: &&Finding| finding.id == Id::KeyNotListed;
        let object = |finding: &Finding| finding.object.clone();
        let told: Vec<_> = findings.iter().filter(is_told).filter_map(object).collect();
        let missed = held.iter().filter(|(_, ef)| !is_listed(**ef)).map(|(reference, _)| *reference);
        let missed: Vec<u8> = missed.filter(|reference| !is_other(*reference)).collect();
        self.tally.missed += missed.len();
        let is_missed = |reference: &u8| told.iter().any(|object| object.reference == Some(*reference));
        if let Some(reference) = missed.iter().find(|reference| !is_missed(reference)) {
            let said = lines(findings);
            return Err(format!("all-clear: nobody lists {reference:02X}, which the card holds\n{said}"));
        }
        let key = |object: &&ObjectName| object.class.name() == "private key";
        let references = told.iter().filter(key).filter_map(|object| object.reference);
        match references.into_iter().find(|reference| !missed.contains(reference)) {
            Some(reference) => Err(format!(
                "false alarm: {reference:02X} is listed, or not on the card\n{}",
                lines(findings)
            )),
            None => Ok(()),
        }
    }

    fn observe_token(
        &mut self,
        host: &Host,
        case: &Case<'_>,
        which: Option<&Further>,
        login: bool,
        [live15, live11]: &[Vec<String>; 2],
        verdict: &[Finding],
    ) -> Result<(), String> {
        let view = |program: &str| -> &View {
            let reads = |cache_view: &&stalecard::case::cache_view::CacheView<'_>| {
                cache_view.programs.iter().any(|name| name == program)
            };
            case.cache_views.iter().find(reads).map_or(&case.live, |cache_view| &cache_view.shown)
        };
        let (shown15, shown11) = (view("pkcs15-tool"), view("opensc-pkcs11"));
        let shown_login = login && (self.words.can_log_in)(shown11);
        let is_hidden = |program: &str| {
            verdict
                .iter()
                .any(|f| f.id == Id::TokenNotVisible && f.program.iter().any(|name| name == program))
        };
        let hidden = ["pkcs15-tool", "opensc-pkcs11"].map(is_hidden);
        // That the others see it, their listings tell.
        let seen = seen(&host.with_cache_copy(), hidden);
        if let Some(program) = seen {
            return Err(format!("{program} sees the card\n{}", lines(verdict)));
        }
        // Who sees no card lists nothing, and shows nothing wrong.
        let [hidden15, hidden11] = hidden;
        let (shown15, shown11) =
            (if hidden15 { &case.live } else { shown15 }, if hidden11 { &case.live } else { shown11 });
        let cached15 =
            if hidden15 { live15.clone() } else { self.words.run_pkcs15(&host.with_cache_copy(), which)? };
        let cached11 = if hidden11 {
            self.words.run_pkcs11(&self.live, shown_login, which)?
        } else {
            self.words.run_pkcs11(&host.with_cache_copy(), shown_login, which)?
        };
        for unknown in [&case.live, shown15, shown11] {
            if !unknown.unknown.is_empty() {
                // Said to be unknown, with the reason: right, as long as it is rare.
                self.tally.unknown += 1;
                return Ok(());
            }
        }
        let expected15 = |view| (self.words.expected_pkcs15)(view, self.version);
        let expected11 = |view, login| (self.words.expected_pkcs11)(view, login, self.version);
        same("live view, pkcs15-tool -D", &expected15(&case.live), live15)?;
        same("live view, pkcs11-tool -O", &expected11(&case.live, login), live11)?;
        same("OpenSC view, pkcs15-tool -D", &expected15(shown15), &cached15)?;
        same("OpenSC view, pkcs11-tool -O", &expected11(shown11, shown_login), &cached11)?;

        self.tally.observations += 1;
        self.tally.objects += case.live.objects.len();
        let named = |program: &str| {
            verdict
                .iter()
                .any(|finding| is_wrong_view(finding) && finding.program.iter().any(|name| name == program))
        };
        // A private object's change shows after login only: the projection says so for both.
        let differ15 = cached15 != *live15;
        let differ11 = cached11 != *live11;
        self.tally.stale_pkcs15 += usize::from(differ15);
        self.tally.stale_pkcs11 += usize::from(differ11);
        for (program, named, differ, shown) in [
            ("pkcs15-tool", named("pkcs15-tool"), differ15, shown15),
            ("opensc-pkcs11", named("opensc-pkcs11"), differ11, shown11),
        ] {
            let findings = || lines(verdict);
            if differ && !named {
                return Err(format!(
                    "miss: {program} shows the card wrong, no error names it\n{}",
                    findings()
                ));
            }
            if named && !differ {
                if self.reads_differ(host, program, &case.live, shown, which) {
                    self.tally.read_out += 1;
                } else if unprinted(program, &case.live, shown) {
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
    fn reads_differ(
        &self,
        host: &Host,
        program: &str,
        live: &View,
        shown: &View,
        which: Option<&Further>,
    ) -> bool {
        let mut ids: Vec<String> = Vec::new();
        let mut labels: Vec<String> = Vec::new();
        for difference in compare(live, shown) {
            for object in [difference.live, difference.shown].into_iter().flatten() {
                if matches!(object.class, Class::Data { .. }) && program == "pkcs15-tool" {
                    labels.push(String::from_utf8_lossy(&object.label).into_owned());
                }
                let id: String = object.id.iter().map(|byte| format!("{byte:02x}")).collect();
                if !id.is_empty() && !ids.contains(&id) {
                    ids.push(id);
                }
            }
        }
        let slot = which.and_then(|further| further.slot(&self.live).ok());
        let of_slot = slot.as_ref().map_or_else(Vec::new, |slot| vec!["--slot-index", slot.as_str()]);
        let read = |host: &Host, id: &str| -> Vec<Vec<u8>> {
            let commands: Vec<Vec<&str>> = if program == "pkcs15-tool" {
                let read = |what| [&["pkcs15-tool", what, id][..], &Further::for_pkcs15(which)].concat();
                ["--read-public-key", "--read-certificate"].map(read).to_vec()
            } else {
                let read = |what, of_token: &Vec<&'static str>| {
                    let command = ["pkcs11-tool", "--read-object", "--type", what, "--id", id];
                    [&command[..], of_token, &of_slot].concat()
                };
                let tokens = self.words.of_tokens();
                tokens.iter().flat_map(|token| ["pubkey", "cert"].map(|what| read(what, token))).collect()
            };
            commands.iter().map(|command| host.run(command).raw).collect()
        };
        let copy = host.with_cache_copy();
        if program != "pkcs15-tool" {
            // Where nobody can log in, whoever tries sees the difference.
            let logged_in = |host: &Host| self.words.run_pkcs11(host, true, which);
            if !(self.words.can_log_in)(shown) || logged_in(&copy) != logged_in(&self.live) {
                return true;
            }
        }
        let data = |host: &Host, label: &str| {
            let command = ["pkcs15-tool", "--read-data-object", label];
            host.run(&[&command[..], &Further::for_pkcs15(which)].concat()).raw
        };
        ids.iter().any(|id| read(&copy, id) != read(&self.live, id))
            || labels.iter().any(|label| data(&copy, label) != data(&self.live, label))
    }
}

/// Do the views differ only in what no listing prints and reading by ID does not reach: flags that
/// are attributes in PKCS#11, or the value of an object whose ID another has too?
fn unprinted(program: &str, live: &View, shown: &View) -> bool {
    let shared = |view: &View, id: &[u8]| view.objects.iter().filter(|object| object.id == id).count() > 2;
    let differences = compare(live, shown);
    !differences.is_empty()
        && differences.iter().all(|difference| {
            let mut objects = [(live, difference.live), (shown, difference.shown)].into_iter();
            match &difference.kind {
                Kind::Attributes(_) => program == "opensc-pkcs11",
                _ => objects.any(|(view, object)| object.is_some_and(|object| shared(view, &object.id))),
            }
        })
}

fn is_wrong_view(finding: &Finding) -> bool {
    finding.severity >= Severity::Error && is_of_view(finding)
}

/// Which of `pkcs15-tool` and applications, if nothing of the card is to be seen there, sees it?
fn seen(host: &Host, hidden: [bool; 2]) -> Option<&'static str> {
    let tool = || Pkcs15Listing::parse(&host.run(&["pkcs15-tool", "-D"]).stdout).is_some();
    let module = || host.run(&["pkcs11-tool", "-L"]).stdout.contains("token label");
    match hidden {
        [true, _] if tool() => Some("pkcs15-tool"),
        [_, true] if module() => Some("opensc-pkcs11"),
        _ => None,
    }
}

/// Does a finding say that a program shows something wrong?
pub fn is_of_view(finding: &Finding) -> bool {
    !finding.program.is_empty() && ![Id::SharedIdentity, Id::TokenNotVisible].contains(&finding.id)
}

pub fn snapshot(host: &Host) -> Result<Snapshot, String> {
    let output = host.stalecard(&["snapshot"]);
    let read: Snapshot =
        serde_json::from_str(&output.stdout).map_err(|error| format!("{error} in {output}"))?;
    // A garbled list may name what is no file; all else is read.
    let of_file = |gap: &Gap| !gap.asked_for || (gap.kind == GapKind::Card && gap.what.starts_with("file "));
    let is_read = match output.code() {
        0 => true,
        3 => !read.cards.is_empty() && read.coverage.iter().all(of_file),
        _ => false,
    };
    if is_read { Ok(read) } else { Err(format!("no snapshot: {output}")) }
}

pub fn lines(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        format!("{:?} {} {:?}: {}\n", finding.severity, finding.id.name(), finding.program, finding.summary)
    };
    findings.iter().map(line).collect()
}

pub fn same(what: &str, expected: &[String], printed: &[String]) -> Result<(), String> {
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
