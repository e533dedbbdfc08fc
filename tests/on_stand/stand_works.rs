//! The stand itself: the real tools on a virtual card, two stands side by side, two hosts at one
//! card, and nothing left behind.

use crate::stand;
use crate::stand::{PIN, SO_PIN, Stand};
use std::time::{Duration, Instant};

/// Two stands at once, each with its own card: what is made on one is not on the other.
#[test]
fn two_stands_do_not_see_each_other() {
    std::thread::scope(|scope| {
        let stories = ["HSM-A", "HSM-B"].map(|label| {
            scope.spawn(move || {
                let stand = Stand::start();
                let alpha = stand.host("alpha");
                alpha.initialize(label, PIN, SO_PIN, Some(1));
                let key = alpha.keypairgen("EC:prime256v1", &["--label", label]);
                let listing = alpha.pkcs15_list();
                (key.id, listing)
            })
        });
        let [a, b] = stories.map(|story| story.join().unwrap());
        assert_eq!((a.1.label.as_str(), b.1.label.as_str()), ("HSM-A", "HSM-B"));
        assert_ne!(a.0, b.0);
        for (id, listing) in [a, b] {
            assert_eq!(listing.private_keys().len(), 1);
            assert_eq!(listing.private_keys()[0].id.as_deref(), Some(id.as_str()));
        }
    });
}

/// The seed's hand movements: key on alpha, the card moved to beta, back, a signature that openssl accepts.
#[test]
fn a_card_moves_between_hosts() {
    let clock = Clock::start();
    let stand = Stand::start();
    clock.lap("stand with a card");
    let (alpha, beta) = (stand.host("alpha"), stand.host("beta"));
    alpha.initialize("HSM-H1", PIN, SO_PIN, None);
    clock.lap("initialise");
    let key = alpha.keypairgen("EC:prime256v1", &["--label", "signer"]);
    clock.lap("key pair");

    let pkcs15 = alpha.pkcs15_list();
    clock.lap("pkcs15-tool -D");
    let pkcs11 = alpha.pkcs11_list_logged_in();
    clock.lap("pkcs11-tool -O with login");
    let (private, public) = (pkcs15.private_keys()[0], pkcs15.public_keys()[0]);
    assert_eq!(private.id.as_deref(), Some(key.id.as_str()));
    assert_eq!((private.label.as_str(), private.key_ref, private.bits), ("signer", Some(1), Some(256)));
    for (ours, theirs) in [(private, pkcs11.private_keys()[0]), (public, pkcs11.public_keys()[0])] {
        assert_eq!((&ours.id, &ours.label, &ours.key_type), (&theirs.id, &theirs.label, &theirs.key_type));
    }
    assert_eq!(pkcs11.public_keys()[0].ec_point, key.ec_point);
    assert_eq!(alpha.pkcs11_list().private_keys().len(), 0, "hidden without login");
    assert!(!alpha.cache_names().is_empty(), "alpha caches");

    stand.card().eject();
    clock.lap("eject");
    assert!(!stand.card().is_inserted());
    let out = beta.run(&["pkcs15-tool", "-D"]);
    assert!(!out.success(), "no card, no listing: {out}");
    stand.card().insert(stand.card().first());
    clock.lap("insert");
    assert_eq!(beta.pkcs15_list(), pkcs15);
    assert_eq!(alpha.live().pkcs15_list(), pkcs15);

    let data = b"Sample Data";
    let signature = alpha.sign(&key.id, data);
    clock.lap("sign");
    let seen_by_beta = beta.public_key(&key.id);
    assert!(beta.openssl_verify(&seen_by_beta, data, &signature));
    assert!(!beta.openssl_verify(&seen_by_beta, b"other data", &signature));
    let (output, signature) = beta.engine_sign(&key.id, data);
    assert!(output.success(), "{output}");
    assert!(alpha.openssl_verify(&alpha.public_key(&key.id), data, &signature));
    assert!(stand.card().stats().signatures >= 2);
}

/// The other objects that tools can make, as both of them list them.
#[test]
fn certificates_data_and_rsa() {
    let stand = Stand::start();
    let alpha = stand.host("alpha");
    alpha.caching("no");
    alpha.initialize("HSM-H1", PIN, SO_PIN, None);
    let rsa = alpha.keypairgen("rsa:2048", &["--id", "0a", "--label", "rsa"]);
    assert_eq!((rsa.id.as_str(), rsa.bits), ("0a", Some(2048)));
    alpha.write_cert(&alpha.foreign_certificate("ca"), "0b", "ca");
    alpha.write_data(b"ABC", "note", false);

    let listing = alpha.pkcs15_list();
    assert_eq!(listing.private_keys()[0].bits, Some(2048));
    assert_eq!(listing.certificates()[0].label, "ca");
    assert_eq!(listing.data()[0].label, "note");
    let listing = alpha.pkcs11_list();
    assert_eq!(listing.certificates()[0].id.as_deref(), Some("0b"));
    assert_eq!(listing.data()[0].label, "note");
    let (output, signature) = alpha.engine_sign("0a", b"x");
    assert!(output.success(), "{output}");
    assert!(alpha.openssl_verify(&alpha.public_key("0a"), b"x", &signature));

    alpha.delete_data("note");
    alpha.delete_object("privkey", "0a");
    let listing = alpha.pkcs15_list();
    assert_eq!((listing.data().len(), listing.private_keys().len()), (0, 0));
}

/// Observers get copies: what a tool writes while it looks stays in its own copy.
#[test]
fn copies_of_a_host_are_private() {
    let stand = Stand::start();
    let alpha = stand.host("alpha");
    alpha.initialize("HSM-H1", PIN, SO_PIN, None);
    alpha.keypairgen("EC:prime256v1", &[]);
    let copy = alpha.with_cache_copy();
    assert_eq!(copy.cache_files(), alpha.cache_files());
    let before = alpha.cache_files();
    copy.pkcs15_list();
    assert!(copy.cache_names().len() > before.len(), "the tool wrote its cache");
    assert_eq!(alpha.cache_files(), before);
    let twice = copy.with_cache_copy();
    let name = &copy.cache_names()[0];
    let time = |host: &stand::Host| std::fs::metadata(host.cache().join(name)).unwrap().modified().unwrap();
    assert_eq!(time(&twice), time(&copy), "times are kept");
    assert!(alpha.live().cache_names().is_empty());
}

/// Another card in the same reader; a card that dies in the middle of a command.
#[test]
fn cards_can_be_changed_and_can_die() {
    let stand = Stand::start();
    let alpha = stand.host("alpha");
    let other = stand.new_card("other", &["--serial", "DENK0299999"]);
    stand.card().insert(&other);
    alpha.initialize("OTHER", PIN, SO_PIN, None);
    assert_eq!(alpha.pkcs15_list().serial, "DENK0299999");

    stand.card().fault("die-at 5");
    let output = alpha.run(&["pkcs15-tool", "-D"]);
    assert!(!output.success(), "{output}");
    stand.card().wait_removed();
    stand.card().fault("none");
    stand.card().insert(&other);
    assert_eq!(alpha.pkcs15_list().label, "OTHER");
}

/// Users, environments, our own program: all of a host that is not OpenSC's.
#[test]
fn hosts_have_their_own_world() {
    let stand = Stand::start();
    let alpha = stand.host("alpha").env("XDG_CACHE_HOME", "/nowhere");
    let environment = alpha.run(&["env"]).ok().stdout;
    let mut names: Vec<&str> = environment.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.sort_unstable();
    assert_eq!(names, ["HOME", "LANG", "OPENSC_CONF", "PATH", "XDG_CACHE_HOME"]);
    assert_eq!(alpha.without_env("HOME").sh("echo ${HOME-none}").stdout.trim(), "none");
    stand.host("alpha").stalecard(&["--version"]).ok();

    if stand::Host::can_switch_users() {
        let user = stand.host("user").for_user(12345);
        let own = user.sh("id -u && touch ~/file && opensc-tool --atr").ok();
        assert!(own.stdout.starts_with("12345\n3b:"), "{own}");
        assert!(!user.sh("ls ../alpha").success() || !user.sh("touch ../alpha/x").success());
    }
}

/// The strings behind the card: counters, the APDU log, its files and changing them.
#[test]
fn the_card_can_be_watched_and_tampered_with() {
    let stand = Stand::start();
    let alpha = stand.host("alpha");
    alpha.caching("no");
    alpha.initialize("HSM-H1", PIN, SO_PIN, Some(1));
    alpha.keypairgen("EC:prime256v1", &[]);
    let status = alpha.sc_hsm_status();
    assert_eq!(
        (status.dkek_shares, status.dkek_outstanding, status.user_pin_tries),
        (Some(1), Some(1), Some(3))
    );
    alpha.import_plain_dkek_share([7; 32]);
    let status = alpha.sc_hsm_status();
    assert_eq!(status.dkek_outstanding, Some(0));
    assert_ne!(status.dkek_kcv.as_deref(), Some("0000000000000000"));

    let card = stand.card();
    card.reset_stats();
    let log_before = stand.apdu_log().len();
    alpha.pkcs15_list();
    let stats = card.stats();
    println!("pkcs15-tool -D, one key, no cache: {stats:?}");
    assert!(stats.apdus > 10 && stats.writes == 0 && stats.verify_wrong == 0, "{stats:?}");
    let commands = stand.apdu_log()[log_before..].iter().filter(|line| line.starts_with('>')).count();
    assert_eq!(commands as u64, stats.apdus);

    assert!(card.dump().to_string().to_uppercase().contains("\"C401\""), "{}", card.dump());
    card.tamper(0xC401, Some(b"\x00"));
    assert_eq!(alpha.pkcs15_list().private_keys().len(), 0);
    card.tamper(0xC401, None);
    assert!(!card.dump().to_string().to_uppercase().contains("\"C401\""));

    let twin = card.first().twin("twin");
    card.insert(&twin);
    assert_eq!(alpha.pkcs15_list().label, "HSM-H1");
}

#[test]
fn programs_are_ended_with_what_they_started() {
    let stand = Stand::start();
    let hasty = stand.host("alpha").with_time_limit(Duration::from_millis(300));
    let output = hasty.sh("echo started; sleep 1000 & sleep 1000");
    assert!(output.timed_out);
    assert_eq!((output.stdout.trim(), output.code()), ("started", 137));
    let alpha = stand.host("alpha");
    assert_eq!(alpha.sh("kill -s SEGV $$").code(), 139);
    assert_eq!(alpha.sh("exit 7").code(), 7);
    assert_eq!(alpha.sh("pwd; echo $HOME").stdout, format!("{0}\n{0}\n", alpha.home().display()));
    assert_eq!(alpha.run_with_input(&["cat"], b"in").stdout, "in");
    // A process list of its own: other stands and the machine are not in it.
    assert!(alpha.sh("ls -d /proc/[0-9]* | wc -l").stdout.trim().parse::<u32>().unwrap() < 20);

    let dir = stand.dir().to_owned();
    let running = alpha.spawn(&["sleep", "1000"]);
    drop(stand);
    let output = running.finish(Duration::from_secs(10));
    assert!(!output.timed_out, "the program ended with the stand: {output}");
    drop((alpha, hasty));
    assert!(!dir.exists());
}

/// Prints laps with `--nocapture`.
struct Clock(std::cell::Cell<Instant>);

impl Clock {
    fn start() -> Self {
        Self(std::cell::Cell::new(Instant::now()))
    }

    fn lap(&self, what: &str) {
        let last = self.0.replace(Instant::now());
        println!("{:8.1} ms  {what}", last.elapsed().as_secs_f64() * 1000.0);
    }
}
