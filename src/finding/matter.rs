//! What a finding is about: by that it is known again after a repair, and not by its sentence, which may count
//! something else then.

use std::collections::BTreeSet;

use super::{Finding, Id, ObjectClass, Side};
use crate::snapshot::ByteString;

/// One thing that a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Matter {
    id: Id,
    token: Option<String>,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// A cache entry, by its path.
    File(String),
    /// A process, by its number.
    Process(u32),
    /// A line of a configuration: its file, and what it says. Its number moves with an edit above it.
    Line(String, String),
    /// An object: its class, key reference, label and ID.
    Object(ObjectClass, Option<u8>, String, Option<String>),
    /// What the card has, or shows.
    Side(Box<Side>),
    /// A directory, a configuration or a reader; none: all of the token, or of the host.
    Place(Option<String>),
}

impl Finding {
    /// What it is about: its cache entries; where it names none its processes, its lines, its object or what stands on
    /// its sides; and where it has none of these either, its place.
    #[must_use]
    pub fn matters(&self) -> BTreeSet<Matter> {
        let matter = |what| Matter { id: self.id, token: self.token.clone(), what };
        let files = self.evidence.iter().filter_map(|evidence| evidence.file.as_ref());
        let crowd = self.crowd.iter().map(|(directory, name)| {
            ByteString::from(directory.as_path().join(name.as_os_str())).to_string()
        });
        let paths = files.map(|file| file.path.clone()).chain(crowd).map(What::File);
        let processes = self.processes.iter().map(|process| What::Process(process.pid));
        let lines = self.evidence.iter().filter_map(|evidence| evidence.source.as_ref());
        let lines = lines.map(|line| {
            What::Line(line.file.clone(), [line.before.as_str(), &line.marked, &line.after].concat())
        });
        let object = self.object.iter().map(|object| {
            What::Object(object.class, object.reference, object.label.clone(), object.id.clone())
        });
        let sides =
            self.evidence.iter().filter_map(|evidence| evidence.card.as_ref().or(evidence.shown.as_ref()));
        let sides = sides.map(|side| What::Side(Box::new(side.clone())));
        let kinds: [Box<dyn Iterator<Item = What>>; 5] =
            [Box::new(paths), Box::new(processes), Box::new(lines), Box::new(object), Box::new(sides)];
        for kind in kinds {
            let matters: BTreeSet<Matter> = kind.map(matter).collect();
            if !matters.is_empty() {
                return matters;
            }
        }
        BTreeSet::from([matter(What::Place(self.place.clone()))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Evidence, SourceLine};

    fn finding(summary: &str) -> Finding {
        Finding::new(Id::ConfigSettingIgnored, summary, String::new())
    }

    fn of_line(line: usize, marked: &str) -> Finding {
        let source = SourceLine {
            file: "/etc/opensc.conf".to_owned(),
            line,
            column: 1,
            before: String::new(),
            marked: marked.to_owned(),
            after: ";".to_owned(),
            note: String::new(),
            corrected: None,
            last_line: None,
        };
        let evidence = vec![Evidence { source: Some(source), ..Evidence::default() }];
        Finding { evidence, ..finding("This setting has no effect.") }
    }

    #[test]
    fn what_counts_something_else_after_a_repair_is_the_same_still() {
        let of = |summary: &str, place: &str| Finding { place: Some(place.to_owned()), ..finding(summary) };
        let before = of("7 more settings of /etc/opensc.conf have no effect.", "/etc/opensc.conf");
        let after = of("6 more settings of /etc/opensc.conf have no effect.", "/etc/opensc.conf");
        assert_eq!(before.matters(), after.matters());
        assert_ne!(before.matters(), of(&before.summary, "/etc/other.conf").matters());
        let of_token = Finding { token: Some("T".to_owned()), ..before.clone() };
        assert_ne!(before.matters(), of_token.matters());
    }

    #[test]
    fn a_line_is_known_again_by_what_it_says_and_not_by_its_number() {
        assert_eq!(of_line(3, "debug = 1").matters(), of_line(2, "debug = 1").matters());
        assert_ne!(of_line(3, "debug = 1").matters(), of_line(3, "debug = 2").matters());
    }
}
