//! Cards that lie while they are asked for proofs: whatever they say, no PIN follows one that was refused, and
//! nothing is sent but what `verify` is for.

use stalecard::card::apdu::TransportError;
use stalecard::card::held::Exclusive;
use stalecard::card::sign::{self, Login, Order};
use stalecard::judge;
use stalecard::listing::signing_requests;
use stalecard::observe::parse_snapshot;
use stalecard::snapshot::{Card, TrialOutcome};
use virtual_card::BenchCard;
use zeroize::Zeroizing;

use super::*;
use crate::random::Random;
use stand::{Family, Options, PIV_PIN, PW1, PW3};

/// A virtual card without a reader, which answers something else now and then.
struct Liar {
    card: Box<dyn BenchCard>,
    random: Random,
    /// One answer in so many is a lie; 0: none.
    one_in: usize,
    /// What the program was told about each PIN it sent.
    told: Vec<[u8; 2]>,
    /// Wrong PINs that it was told were right: it cannot know better, and may send them again.
    welcomed: u64,
}

impl Exclusive for Liar {
    fn transmit(&mut self, apdu: Zeroizing<Vec<u8>>) -> Result<Vec<u8>, TransportError> {
        let is_pin = apdu.len() > 5 && apdu[1] == 0x20;
        assert!(!is_pin || self.told.iter().all(|status| *status == [0x90, 0x00]), "a PIN after a refusal");
        assert!(
            matches!(
                apdu[1],
                0x20 | 0x22 | 0x2A | 0x2E | 0x47 | 0x58 | 0x68 | 0x86 | 0x87 | 0x88 | 0xA4 | 0xA5
            ) || matches!(apdu[1], 0xB0 | 0xB1 | 0xC0 | 0xCA | 0xCB | 0xF7),
            "{:02X?}",
            &apdu[..4]
        );
        let truth = self.card.execute(&apdu);
        let mut answer = truth.clone();
        if self.one_in > 0 && self.random.below(self.one_in) == 0 {
            let status = |answer: &mut Vec<u8>, status: u16| {
                answer.truncate(answer.len() - 2);
                answer.extend(status.to_be_bytes());
            };
            match self.random.below(9) {
                0 => return Err(TransportError::Removed("SCARD_W_REMOVED_CARD")),
                1 => answer = vec![0x90, 0x00],
                2 => answer = vec![0x6F],
                3 => status(&mut answer, 0x63C0 | u16::try_from(self.random.below(16)).unwrap()),
                4 => status(&mut answer, 0x6982),
                5 => status(&mut answer, 0x6100 | u16::try_from(self.random.below(256)).unwrap()),
                6 => answer.drain(..answer.len() / 2).for_each(drop),
                7 => answer = [self.random.bytes(40), vec![0x90, 0x00]].concat(),
                _ => {
                    let at = self.random.below(answer.len());
                    answer[at] ^= 1 << self.random.below(8);
                }
            }
        }
        if is_pin {
            let told = *answer.last_chunk().unwrap_or(&[0, 0]);
            self.welcomed += u64::from(told == [0x90, 0x00] && !truth.ends_with(&told));
            self.told.push(told);
        }
        Ok(answer)
    }

    fn verify_on_pad(&mut self, _structure: Vec<u8>) -> Result<Vec<u8>, TransportError> {
        panic!("there is no pin pad");
    }

    fn is_shared(&self) -> bool {
        false
    }
}

/// The card as it was read, and what its keys are to do behind one PIN.
fn read(host: &Host) -> (Card, Vec<Order>) {
    let snapshot = parse_snapshot(&host.stalecard(&["snapshot"]).ok().stdout).unwrap();
    let cases = judge::tokens(&snapshot).cases;
    let (signers, unable) = signing_requests::signers(&cases[0]);
    assert!(unable.is_empty() && signers.len() > 1);
    let orders = signers.iter().map(|signer| signer.order(&[0x37; signing_requests::RANDOM], false));
    (snapshot.cards[0].clone(), orders.filter(|order| order.access.is_some()).collect())
}

fn lie(stand: &Stand, host: &Host, pin: &str, wrong_tries: &dyn Fn(&Value) -> u64) {
    let (card, orders) = read(host);
    stand.card().eject();
    let file = stand.card().first().clone();
    let rounds = if is_long() { 3000 } else { 150 };
    let (mut proved, mut failed) = (0, 0);
    for seed in 0..rounds {
        let copy = file.twin(&format!("lie-{seed}"));
        let mut open = virtual_card::open(copy.path()).unwrap();
        open.power_on();
        let full = wrong_tries(&open.dump());
        let wrong = seed % 2 == 1;
        let typed = if wrong { "999999" } else { pin };
        let one_in = if seed < 2 { 0 } else { 3 + usize::try_from(seed % 40).unwrap() };
        let mut liar = Liar { card: open, random: Random(seed + 1), one_in, told: Vec::new(), welcomed: 0 };
        let login = Login::Pin(Zeroizing::new(typed.as_bytes().to_vec()));
        let outcome = sign::sign(&mut liar, &card, &orders, &login, 2);
        let spent = full - wrong_tries(&liar.card.dump());
        let limit = if wrong { 1 + liar.welcomed } else { 0 };
        assert!(spent <= limit, "seed {seed}: {spent} tries spent, {outcome:?}");
        match outcome {
            Ok(trials) => {
                let signed = |trial: &&_| matches!(trial, TrialOutcome::Signed(_));
                proved += trials.iter().map(|trial| &trial.outcome).filter(signed).count();
            }
            Err(error) => {
                assert!(!error.to_string().contains(typed), "{error}");
                failed += 1;
            }
        }
        if seed == 0 {
            assert_eq!(proved, orders.len(), "an honest card");
        }
        std::fs::remove_file(copy.path()).unwrap();
    }
    assert!(failed > 0 && proved > orders.len(), "{proved} proofs, {failed} failures");
}

#[test]
fn no_pin_follows_a_refusal_whatever_a_card_says() {
    let stand = Stand::start();
    let host = initialised(&stand, "alpha");
    host.keypairgen("EC:prime256v1", &[]);
    host.keypairgen("rsa:1024", &[]);
    lie(&stand, &host, PIN, &|dump| dump["user_tries"].as_u64().unwrap());

    let yubikey = ["--atr", "3BFD1300008131FE158073C021C057597562694B657940"];
    let stand = Stand::with(Options { family: Family::Piv, switches: &yubikey, ..Options::default() });
    let host = stand.host("alpha").with_pin(PIV_PIN);
    for (slot, algorithm) in [("9a", "ECCP256"), ("9c", "RSA1024"), ("9d", "ECCP384")] {
        host.piv_renew(slot, algorithm, slot);
    }
    lie(&stand, &host, PIV_PIN, &|dump| dump["pin_tries"].as_u64().unwrap());

    let switches = ["--apdu", "extended"];
    let stand = Stand::with(Options { family: Family::OpenPgp, switches: &switches, ..Options::default() });
    let host = stand.host("alpha").with_pin(PW1);
    host.openpgp_generate_ec(1, "prime256v1");
    host.run(&["openpgp-tool", "--verify", "CHV3", "--pin", PW3, "--gen-key", "2"]).ok();
    stand.card().tamper_path(&[0xC8], Some(&[2; 20]));
    lie(&stand, &host, PW1, &|dump| dump["pw1_tries"].as_u64().unwrap());

    let stand = Stand::with(Options { family: Family::MyEid, ..Options::default() });
    let host = stand.host("alpha");
    host.caching("no");
    host.personalise();
    host.generate_key("ec/prime256v1", "45", "first");
    let generate = ["--generate-key", "ec/prime256v1", "--auth-id", "01", "--id", "46", "--label", "second"];
    host.pkcs15_init(&[&generate[..], &["--key-usage", "sign", "--user-consent", "1"]].concat()).ok();
    lie(&stand, &host, PIN, &|dump| dump["tries"]["1"].as_u64().unwrap());
}
