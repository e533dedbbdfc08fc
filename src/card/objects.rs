//! Reading cards whose content is data objects (PIV, OpenPGP): one object in one command.
//!
//! **Politeness.** SELECT ends the login of every program that uses the card, and such a card
//! holds several applications. So the application is first asked for something that only it
//! has, its *witness*. If that answers, it is selected already and stays so; only
//! otherwise there is a SELECT, in the same transaction.
//!
//! **One answer, one moment.** Long answers come in pieces (61xx) that another program can cut
//! off, so each object is read within one transaction if there is one. A "no" heard after others had the card may
//! come from another application: it counts only when the witness still answers as before.

use super::apdu::{Channel, Command, Response, StatusWord, TransportError};
use super::scan_error::{ScanError, Stop};
use crate::snapshot::{Answer, Bytes, CardFile, EfPath, Gap, GapKind};
use crate::text::escape;

/// How often an object is read that does not arrive whole.
const TRIES: u32 = 3;

/// One walk through a card.
pub(super) struct Walk<'a, 'c> {
    channel: &'a mut Channel<'c>,
    reader: &'a str,
    witness: Option<(Command, Vec<u8>)>,
    /// Other programs had the card since the witness answered.
    doubt: bool,
    /// Whether the application was selected already.
    pub(super) was_selected: bool,
    pub(super) files: Vec<CardFile>,
    pub(super) gaps: Vec<Gap>,
}

/// An application on a card.
pub(super) struct Application {
    /// What a card with it is, for messages.
    pub(super) card: &'static str,
    pub(super) select: Command,
    pub(super) witness: Command,
    /// Does an answer to the witness come from this application?
    pub(super) is_witness: fn(&[u8]) -> bool,
}

impl<'a, 'c> Walk<'a, 'c> {
    /// Makes sure that the application answers.
    pub(super) fn begin(
        channel: &'a mut Channel<'c>,
        reader: &'a str,
        application: &Application,
    ) -> Result<Self, Stop> {
        // Whatever happened before this attempt does not concern it.
        channel.transport.interrupted();
        let mut walk = Self {
            channel,
            reader,
            witness: None,
            doubt: false,
            was_selected: false,
            files: Vec::new(),
            gaps: Vec::new(),
        };
        walk.channel.transport.hold();
        walk.was_selected = walk.hear(application)?;
        if !walk.was_selected {
            let response = walk.channel.send(application.select)?;
            if response.status != StatusWord::OK {
                let status = response.status.to_string();
                return Err(ScanError::NotThere { card: application.card, status }.into());
            }
            walk.hear(application)?;
        }
        walk.doubt = false;
        walk.channel.transport.rest();
        Ok(walk)
    }

    /// Asks for the witness, and keeps it if it answers.
    fn hear(&mut self, application: &Application) -> Result<bool, Stop> {
        let Some(response) = self.send(application.witness)? else { return Ok(false) };
        let answers = response.status == StatusWord::OK && (application.is_witness)(&response.data);
        if answers {
            self.witness = Some((application.witness, response.data));
        }
        Ok(answers)
    }

    /// The status word of a command that reads nothing; none if it was never recorded.
    pub(super) fn status(&mut self, command: Command) -> Result<Option<StatusWord>, Stop> {
        Ok(self.send(command)?.map(|response| response.status))
    }

    /// One command; none if it was never recorded.
    fn send(&mut self, command: Command) -> Result<Option<Response>, Stop> {
        let response = match self.channel.send(command) {
            Ok(response) => Some(response),
            Err(TransportError::NotRecorded) => None,
            Err(error) => return Err(error.into()),
        };
        self.doubt |= self.channel.transport.interrupted();
        Ok(response)
    }

    /// Reads an object. `is_whole`: nothing of it is missing. What should be there is `what` in messages.
    pub(super) fn read(
        &mut self,
        before: Option<Command>,
        command: Command,
        what: &str,
        is_whole: fn(&[u8]) -> bool,
    ) -> Result<Answer, Stop> {
        if let Some(answer) = self.read_recorded(before, command, what, is_whole)? {
            return Ok(answer);
        }
        self.gap(what, "not recorded");
        Ok(Answer::NotRead("not recorded".to_owned()))
    }

    /// The same of what OpenSC does not read: none if it was never recorded.
    pub(super) fn read_recorded(
        &mut self,
        before: Option<Command>,
        command: Command,
        what: &str,
        is_whole: fn(&[u8]) -> bool,
    ) -> Result<Option<Answer>, Stop> {
        // The witness has just been heard, and will be once more at the end.
        if let (None, false, Some((witness, known))) = (before, self.doubt, &self.witness)
            && *witness == command
        {
            return Ok(Some(Answer::Content(Bytes(known.clone()))));
        }
        let mut answer = None;
        for attempt in 1..=TRIES {
            self.channel.transport.hold();
            if let Some(before) = before {
                self.send(before)?;
            }
            let Some(response) = self.send(command)? else { break };
            if response.status.carries_data() {
                let whole = response.status.more().is_none() && is_whole(&response.data);
                answer = Some(Answer::Content(Bytes(response.data)));
                if whole {
                    break;
                }
                if attempt == TRIES {
                    self.gap(what, "its end is missing");
                }
                continue;
            }
            answer = Some(match response.status {
                StatusWord::FILE_NOT_FOUND | StatusWord::NO_SUCH_REFERENCE => Answer::Absent,
                StatusWord(status) => Answer::Refused(status),
            });
            if !self.doubt || attempt > 1 {
                break;
            }
            self.check()?;
        }
        self.channel.transport.rest();
        Ok(answer)
    }

    /// Is it still the same card with the same application selected?
    pub(super) fn check(&mut self) -> Result<(), Stop> {
        if let Some((command, known)) = self.witness.clone() {
            match self.send(command)? {
                Some(response) if response.status != StatusWord::OK || response.data != known => {
                    return Err(Stop::Moved(
                        "another application has been selected on it, or it was swapped",
                    ));
                }
                _ => {}
            }
        }
        self.doubt = false;
        Ok(())
    }

    /// Adds a file; its content, if it has any.
    pub(super) fn add(&mut self, path: EfPath, answer: Answer) -> Option<Vec<u8>> {
        let content = match &answer {
            Answer::Content(bytes) => Some(bytes.0.clone()),
            _ => None,
        };
        self.files.push(CardFile { path, answer });
        content
    }

    pub(super) fn gap(&mut self, what: &str, why: &str) {
        let what = format!("{what} of the card in reader {}", escape(self.reader.as_bytes()));
        let gap = Gap::new(GapKind::Card, true, what, why.to_owned());
        self.gaps.push(gap.in_reader(self.reader));
    }
}
