//! `watch` beside the real tools: what wakes it, that nothing else does, and that with
//! `--flush-stale` no listing is stale a second after a key was replaced.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::stand::{FileCard, Host, Kind, PIN, Running, SO_PIN, Stand};
use super::{document, text};

/// How long anything may take before the test fails; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// A watch under way, and what it has said so far.
pub struct Watch<'a> {
    running: Running,
    host: &'a Host,
    output: String,
    seen: usize,
}

impl<'a> Watch<'a> {
    fn start(host: &'a Host, options: &[&str]) -> Self {
        Self::start_under(host, "", options)
    }

    /// Below another program, like `strace -o FILE`.
    pub fn start_under(host: &'a Host, above: &str, options: &[&str]) -> Self {
        let output = host.home().join("../watch.out");
        std::fs::write(&output, "").unwrap();
        let output = output.to_str().unwrap().to_owned();
        let program = env!("CARGO_BIN_EXE_stalecard");
        let line =
            format!("exec {above} {program} watch --format json {} >>{output} 2>&1", options.join(" "));
        let running = host.spawn(&["sh", "-c", &line]);
        let mut watch = Self { running, host, output, seen: 0 };
        watch.until("started");
        watch
    }

    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.output).unwrap();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        text::harmless(whole);
        whole.lines().filter(|line| line.starts_with('{')).map(document).collect()
    }

    /// Waits for the next event of this kind, and gives its line.
    pub fn until(&mut self, kind: &str) -> Value {
        self.until_line(kind, &|line| line["event"]["kind"] == kind)
    }

    /// Waits for the next line that is so.
    fn until_line(&mut self, what: &str, is_it: &dyn Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let lines = self.lines();
            for line in &lines[self.seen..] {
                self.seen += 1;
                if is_it(line) {
                    return line.clone();
                }
            }
            let text = || std::fs::read_to_string(&self.output).unwrap();
            assert!(begun.elapsed() < PATIENCE, "no event {what} on {}:\n{}", self.host.name(), text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn stop(mut self) -> String {
        assert!(self.running.is_running(), "the watch has ended: {}", self.running.stop());
        self.running.stop();
        std::fs::read_to_string(self.output).unwrap()
    }
}

fn ids(line: &Value) -> Vec<&str> {
    line["findings"].as_array().unwrap().iter().map(|finding| finding["id"].as_str().unwrap()).collect()
}

/// Keys are deleted and generated in a loop. A listing a second later shows the card's key, each time.
#[test]
fn no_listing_a_second_later_is_stale() {
    let rounds = if std::env::var_os("STALECARD_LONG").is_some() { 40 } else { 4 };
    let stand = Stand::start();
    let host = stand.host("alpha");
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    let mut id = host.keypairgen("EC:prime256v1", &[]).id;
    host.pkcs15_list();
    let watch = Watch::start(&host, &["--flush-stale"]);
    for round in 0..rounds {
        host.delete_object("privkey", &id);
        // With and without a pause in which the orphan could be flushed.
        if round % 2 == 1 {
            std::thread::sleep(Duration::from_millis(700));
        }
        let new = host.keypairgen("EC:prime256v1", &[]).id;
        assert_ne!(new, id);
        std::thread::sleep(Duration::from_secs(1));
        let listed = host.pkcs15_list();
        let shown: Vec<_> = listed.private_keys().iter().map(|key| key.id.clone().unwrap()).collect();
        assert_eq!(shown, [new.as_str()], "round {round}; {}", watch.stop());
        let public = host.pkcs11_list();
        assert_eq!(public.public_keys()[0].id.as_deref(), Some(new.as_str()));
        id = new;
    }
    let said = watch.stop();
    assert!(said.contains("\"changed\":true"), "nothing was ever flushed: {said}");
}

/// With `--refill` the listing after that is as quick as one with a warm cache, too: the watch has put there what OpenSC writes.
#[test]
fn with_refill_no_listing_is_stale_or_slow() {
    let rounds = if std::env::var_os("STALECARD_LONG").is_some() { 20 } else { 2 };
    let stand = Stand::start();
    let (host, other) = (stand.host("alpha"), stand.host("beta"));
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    let mut id = host.keypairgen("EC:prime256v1", &[]).id;
    host.keypairgen("EC:prime256v1", &[]);
    host.pkcs15_list();
    let cost = |host: &Host| {
        stand.card().reset_stats();
        host.pkcs15_list();
        stand.card().stats().apdus
    };
    let mut watch = Watch::start(&host, &["--flush-stale", "--refill"]);
    for round in 0..rounds {
        // Elsewhere, so that this host hears of it when its next program uses a card.
        other.live().delete_object("privkey", &id);
        id = other.live().keypairgen("EC:prime256v1", &[]).id;
        host.run(&["opensc-tool", "-n"]).ok();
        // What is written by the watch itself may have woken it first.
        let filled = watch.until_line("with entries that were filled", &|line| {
            let entries = line["refilled"]["entries"].as_array();
            entries.is_some_and(|all| all.iter().any(|entry| entry["outcome"] == "placed"))
        });
        assert_eq!(filled["refilled"]["left"], serde_json::json!([]), "{filled:#}");
        assert!(ids(&filled).iter().all(|id| !id.starts_with("stale")), "{filled:#}");
        let other = stand.host(&format!("new-{round}"));
        let cold = cost(&other);
        let warm = cost(&other);
        let files = host.cache_files();
        assert!(cost(&host) == warm && warm < cold, "{warm} with a warm cache, {cold} with a new one");
        assert_eq!(host.cache_files(), files);
        let listed = host.pkcs15_list();
        let shown: Vec<_> = listed.private_keys().iter().filter_map(|key| key.id.clone()).collect();
        assert!(shown.contains(&id), "round {round}: {shown:?}; {}", watch.stop());
    }
    watch.stop();
}

/// A card that stalecard does not read is watched with `--ask`: a certificate that was renewed elsewhere is not shown old, and a
/// card of the same number in its place neither.
#[test]
fn a_card_that_opensc_alone_reads_is_kept_in_step() {
    let (stand, mut card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let host = stand.host("alpha");
    host.caching("public");
    host.pkcs15_list();
    let mut watch = Watch::start(&host, &["--ask", "--flush-stale", "--refill"]);
    let real = |card: &FileCard| -> Vec<String> {
        let serials = (0..card.len()).map(|nth| card.certificate(nth).serial());
        serials.map(|serial| format!("02 05 {}", data_encoding::HEXUPPER.encode(&serial))).collect()
    };
    let shown = |host: &Host| -> Vec<String> {
        let listed = host.pkcs15_list();
        let all = listed.certificates();
        all.iter().map(|one| one.block.get("Encoded serial").unwrap_or_default().to_owned()).collect()
    };
    let is_filled = |line: &Value| {
        let entries = line["refilled"]["entries"].as_array();
        entries.is_some_and(|all| all.iter().any(|entry| entry["outcome"] == "placed"))
    };
    for round in 0..2 {
        card.renew(round, 40);
        host.run(&["opensc-tool", "-n"]).ok();
        watch.until_line("with entries that were filled", &is_filled);
        assert_eq!(shown(&host), real(&card));
    }
    let other = stand.file_card("other", Kind::Belpic, 1, &["three", "four"]);
    stand.card().insert(other.file());
    let line = watch.until_line("with entries that were filled", &is_filled);
    assert_eq!(line["refilled"]["left"], serde_json::json!([]), "{line:#}");
    assert_eq!(shown(&host), real(&other));
    watch.stop();
}

/// What each event says, and that the program of --exec hears of it, without a shell.
#[test]
fn every_event_has_its_line() {
    let stand = Stand::start();
    let (alpha, beta) = (stand.host("alpha"), stand.host("beta"));
    alpha.initialize("HSM-H1", PIN, SO_PIN, None);
    let old = alpha.keypairgen("EC:prime256v1", &[]).id;
    let told = alpha.home().join("told");
    let hook = alpha.home().join("hook; touch shell");
    let script = format!(
        "#!/bin/sh\necho \"$STALECARD_EVENT/$STALECARD_READER/$STALECARD_TOKEN/$STALECARD_WORST/$STALECARD_CHANGED/$STALECARD_FINDINGS\" >>{}\necho on stdout\n",
        told.display()
    );
    std::fs::write(&hook, script).unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut watch = Watch::start(&alpha, &["--exec", "'./hook; touch shell'"]);

    // Fills the cache; then a file comes without any program that uses a card.
    alpha.pkcs15_list();
    watch.until("released");
    alpha.sh("cp -p .cache/opensc/*_C401 .cache/opensc/copy").ok();
    let copied = watch.until("cache-changed");
    assert!(ids(&copied).contains(&"unexpected-file"), "{copied:#}");
    alpha.sh("rm .cache/opensc/copy").ok();
    stand.card().eject();
    let removed = watch.until("removed");
    assert_eq!(removed["event"]["reader"], "Virtual PCD 00 00");
    assert_eq!(removed["tokens"], serde_json::json!([]));
    stand.card().insert(stand.card().first());
    let inserted = watch.until("inserted");
    assert_eq!(inserted["tokens"][0]["serial"], "DENK0200834");
    assert_eq!(ids(&inserted), ["cache-cannot-notice-change"]);

    // Somebody else changes the card: a program of another home, with a configuration of its own, wakes nobody
    // here, but the next one that reads this configuration does.
    beta.live().delete_object("privkey", &old);
    beta.live().keypairgen("EC:prime256v1", &[]);
    alpha.run(&["opensc-tool", "-n"]).ok();
    let released = watch.until("released");
    assert_eq!(ids(&released)[..2], ["stale-key-id", "stale-public-key"], "{released:#}");
    assert_eq!(released["changed"], false);

    let begun = Instant::now();
    let lines = loop {
        let lines = std::fs::read_to_string(&told).unwrap_or_default();
        if lines.contains("stale-key-id") || begun.elapsed() > PATIENCE {
            break lines;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(lines.contains("removed/Virtual PCD 00 00///false/\n"), "{lines}");
    assert!(lines.contains("released//DENK0200834/critical/false/stale-key-id stale-public-key"), "{lines}");
    assert!(!alpha.home().join("shell").exists());
    let said = watch.stop();
    assert!(said.lines().all(|line| line.starts_with('{') || line == "on stdout"), "{said}");
}

/// pcscd dies and another one is started: the watch goes on, and sees the card that comes then.
#[test]
fn it_comes_back_when_pcscd_does() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    let mut watch = Watch::start(&host, &[]);
    // What the dead one leaves makes a new one believe that it still runs.
    host.sh("kill -KILL $(pidof pcscd) && rm /run/pcscd/*").ok();
    let lost = watch.until("service-lost");
    // Which of its names PC/SC gives a service that has just died is a matter of luck.
    assert!(lost["event"]["why"].as_str().unwrap().contains("(SCARD_"), "{lost:#}");
    let folder = stand.dir().join("reader.conf.d");
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/pcscd/usr/sbin/pcscd");
    let polkit = "$(\"$p\" --help 2>&1 | grep -o -m 1 -e --disable-polkit)";
    let line = format!(
        "p=$(command -v pcscd) || p={}; exec \"$p\" --foreground --config {} {polkit}",
        unpacked.display(),
        folder.display()
    );
    let begun = Instant::now();
    let _pcscd = host.spawn(&["sh", "-c", &line]);
    watch.until("service-back");
    println!("back after {:?}", begun.elapsed());
    stand.card().ask(&format!("insert {}", stand.card().first().path().display()));
    let inserted = watch.until("inserted");
    assert_eq!(inserted["tokens"][0]["serial"], "DENK0200834");
    watch.stop();
}

/// Nothing happens, so nothing runs: not one system call.
#[test]
fn idle_it_does_nothing() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    host.keypairgen("EC:prime256v1", &[]);
    host.pkcs15_list();
    let log = stand.dir().join("strace");
    let mut watch = Watch::start_under(&host, &format!("strace -f -o {}", log.display()), &["--flush-stale"]);
    host.pkcs15_list();
    watch.until("released");
    let calls = || std::fs::read_to_string(&log).unwrap().lines().count();
    // Until it is quiet, and then for as long again and more.
    let begun = Instant::now();
    let mut before = 0;
    while calls() != before {
        assert!(begun.elapsed() < PATIENCE, "it never rests");
        before = calls();
        std::thread::sleep(Duration::from_secs(1));
    }
    let apdus = stand.card().stats().apdus;
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(calls(), before, "system calls without a reason");
    assert_eq!(stand.card().stats().apdus, apdus);
    // And yet it is awake.
    host.run(&["opensc-tool", "-n"]).ok();
    watch.until("released");
    watch.stop();
}
