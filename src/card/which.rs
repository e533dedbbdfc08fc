//! Which application a card has whose answer to reset names none: a plain Java card, or a token that has several.
//!
//! OpenSC's drivers select their applications one after the other (`card_driver->match_card`), and the first that answers
//! takes the card. So it is here, in one transaction: as few SELECTs as decide it. Each ends whatever login there is, so this is
//! only done to a card that nobody else has open.

use super::apdu::{Channel, Command, OpenPgpData, StatusWord, Transport, TransportError};
use super::family::Kind;
use crate::format::openpgp;
use crate::format::piv::DISCOVERY;

/// How often the transaction is begun anew that others came before.
const TRIES: u32 = 5;
/// Tag of the application property template with which PIV answers SELECT (NIST SP 800-73-4, part 2, 3.1.1).
const APPLICATION_PROPERTIES: u8 = 0x61;

/// The first of these kinds whose application the card has.
///
/// # Errors
/// When the card cannot be talked to.
pub(super) fn which(transport: &mut dyn Transport, kinds: &[Kind]) -> Result<Option<Kind>, TransportError> {
    let mut channel = Channel::new(transport);
    let mut failed = TransportError::LetGo;
    for _ in 0..TRIES {
        channel.transport.hold();
        let found = ask(&mut channel, kinds);
        channel.transport.rest();
        match found {
            Err(error @ (TransportError::LetGo | TransportError::Reset)) => failed = error,
            found => return found,
        }
    }
    Err(failed)
}

fn ask(channel: &mut Channel<'_>, kinds: &[Kind]) -> Result<Option<Kind>, TransportError> {
    // A transaction never begins with SELECT: somebody may have logged in before it did.
    channel.send(Command::PivObject(DISCOVERY.tag))?;
    for kind in kinds {
        let select = match kind.driver {
            Some("PIV-II") => Command::SelectPiv,
            Some("isoApplet") => Command::SelectIsoApplet,
            Some("openpgp") => Command::SelectOpenPgp,
            _ => continue,
        };
        let answer = channel.send(select)?;
        let is_it = answer.status == StatusWord::OK
            && match select {
                Command::SelectPiv => answer.data.first() == Some(&APPLICATION_PROPERTIES),
                Command::SelectOpenPgp => {
                    let aid = channel.send(Command::OpenPgpData(OpenPgpData::Aid))?;
                    aid.status == StatusWord::OK && aid.data.len() == openpgp::AID_LENGTH
                }
                _ => true,
            };
        if is_it {
            return Ok(Some(*kind));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use crate::card::family::of_driver;
    use crate::card::script::Script;

    fn kinds() -> Vec<Kind> {
        ["PIV-II", "isoApplet", "openpgp"].into_iter().map(|name| of_driver(name).unwrap()).collect()
    }

    #[test]
    fn the_first_application_that_answers_is_the_card_s() {
        // Whatever is selected answers 9000: PIV without its template is none.
        let mut script = Script::default();
        assert_eq!(which(&mut script, &kinds()).unwrap(), of_driver("isoApplet"));
        assert_eq!(script.log.len(), 3);
        let mut script = Script { select: vec![0x61, 0x00], ..Script::default() };
        assert_eq!(which(&mut script, &kinds()).unwrap(), of_driver("PIV-II"));
        assert_eq!(script.log.len(), 2);
        // Nothing of it is asked twice if nothing answers.
        let mut script = Script { always: Some(vec![0x6A, 0x82]), ..Script::default() };
        assert_eq!(which(&mut script, &kinds()).unwrap(), None);
        assert_eq!(script.log.len(), 4);
        let mut script = Script::default();
        assert_eq!(which(&mut script, &[]).unwrap(), None);
    }

    #[test]
    fn a_transaction_that_was_lost_is_begun_anew() {
        let mut script = Script { select: vec![0x61, 0x00], ..Script::default() };
        script.failures.insert(2, TransportError::LetGo);
        assert_eq!(which(&mut script, &kinds()).unwrap(), of_driver("PIV-II"));
        let mut script = Script { always: Some(Vec::new()), ..Script::default() };
        assert!(which(&mut script, &kinds()).is_err());
    }
}
