//! From a goal to the smallest edit that reaches it.
//!
//! Every first `app` block with a `framework pkcs15` wins for somebody, whole and
//! without regard to the others; so each of them is made right, and for all
//! programs that find none there has to be one in `app default`. For a single
//! program it is its own block that is made right; where it has none, one is
//! made, which hides the block that decided so far, and so takes its settings along.

use super::layout::{Layout, Piece, copies};
use super::programs::{self, Effect};
use super::{Goal, Note, Refusal, Request, Scope};
use crate::opensc::program::PKCS15_INIT;
use crate::opensc::{Outcome, Program, differences};
use crate::scconf::edit::{Edit, Edits};
use crate::scconf::{self, Block, Document, Quote, Statement, Word};
use crate::snapshot::ByteString;

/// The setting.
const KEY: &str = "use_file_caching";

/// A planned edit, and what it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The edits; none if everything is right already.
    pub edits: Edits,
    /// The new text.
    pub new: Vec<u8>,
    /// What it means for the programs concerned.
    pub effects: Vec<Effect>,
    /// What else to know.
    pub notes: Vec<Note>,
}

/// Plans the edit of a file with this text (`None`: there is no file yet). Pure.
///
/// # Errors
/// When the file is broken, or what is wanted cannot be had in the required versions.
pub fn plan(old: Option<&[u8]>, request: &Request<'_>) -> Result<Planned, Refusal> {
    possible(request)?;
    let text = old.unwrap_or_default();
    let mut required = programs::required(request.installed);
    // The newest last: its reading is the one that is edited.
    let newest = required.pop().unwrap_or(differences::HEAD);
    let parse = |version| {
        scconf::parse(text, differences::dialect(version))
            .map_err(|error| Refusal::Unparsable { path: request.path.clone(), error })
    };
    for &version in &required {
        parse(version)?;
    }
    let document = parse(newest)?;
    let ground = programs::Ground::new(request, old);
    let reading = ground.at(newest);
    for program in programs::concerned(&document, request) {
        for outcome in programs::outcomes(&reading, &program) {
            if let Outcome::Crashes(crash) = outcome {
                return Err(Refusal::Crashes(Box::new(crash)));
            }
        }
    }
    let mut planner = Planner {
        request,
        document: &document,
        layout: Layout::of(&document),
        edits: Vec::new(),
        notes: Vec::new(),
    };
    match request.scope {
        Scope::All => planner.all()?,
        Scope::App(app) => planner.app(app)?,
        Scope::Exe(exe) => planner.exe(exe)?,
    }
    let Planner { edits, mut notes, .. } = planner;
    let edits = Edits::new(joined(edits), text.len()).map_err(|bad| Refusal::NotReached {
        path: request.path.clone(),
        program: "every program".to_owned(),
        version: newest,
        what: bad.to_string(),
    })?;
    let new = edits.apply(text);
    programs::check(request, old, &new)?;
    notes.extend(general_notes(request, text));
    notes.extend(programs::only_elsewhere(request, &document, old, &new));
    notes.extend(programs::exceptions(request, &document, &new));
    let effects = programs::effects(request, &document, old, &new);
    Ok(Planned { edits, new, effects, notes })
}

/// What the installed version does not know cannot be had.
fn possible(request: &Request<'_>) -> Result<(), Refusal> {
    if let Some(version) = request.installed {
        if request.goal.promised(version).is_none() {
            return Err(Refusal::NoPublic(version));
        }
        if matches!(request.scope, Scope::Exe(_)) && !differences::has_executable_blocks(version) {
            return Err(Refusal::NoExecutableBlocks(version));
        }
    }
    let (name, valid) = match request.scope {
        Scope::All => return Ok(()),
        Scope::App(app) => (ByteString::from(app.as_str()), !app.starts_with('/')),
        Scope::Exe(exe) => (exe.clone(), exe.0.first() == Some(&b'/')),
    };
    let writable = !name.0.is_empty() && !name.0.iter().any(|b| b.is_ascii_control() || *b == b'"');
    if valid && writable { Ok(()) } else { Err(Refusal::BadBlockName(name)) }
}

fn general_notes(request: &Request<'_>, text: &[u8]) -> Vec<Note> {
    let mut notes = match request.goal {
        Goal::Off => Vec::new(),
        Goal::Public => vec![Note::GoesStale, Note::PublicIsNew],
        Goal::Yes => vec![Note::GoesStale, Note::YesStoresPrivate],
    };
    if matches!(request.scope, Scope::Exe(_)) {
        notes.push(Note::ExecutablesAreNew);
    }
    if text.starts_with(b"\xEF\xBB\xBF") {
        notes.push(Note::ByteOrderMark);
    }
    notes
}

struct Planner<'d> {
    request: &'d Request<'d>,
    document: &'d Document,
    layout: Layout<'d>,
    edits: Vec<Edit>,
    notes: Vec<Note>,
}

impl<'d> Planner<'d> {
    /// Every block that can win for anybody.
    fn all(&mut self) -> Result<(), Refusal> {
        let (mut nobodys, mut guards) = (Vec::new(), Vec::new());
        for name in programs::block_names(self.document) {
            if let Some(framework) = programs::first_app(self.document, name).and_then(programs::framework) {
                if !programs::is_read(name) {
                    nobodys.push(ByteString(name.to_vec()));
                } else if programs::is_guard(self.document, name) {
                    guards.push(ByteString(name.to_vec()));
                } else {
                    self.set(framework)?;
                }
            }
        }
        self.have_default();
        self.notes.extend((!nobodys.is_empty()).then_some(Note::Nobodys(nobodys)));
        let caches = self.request.goal != Goal::Off
            && guards.is_empty()
            && programs::first_app(self.document, PKCS15_INIT.as_bytes())
                .and_then(programs::framework)
                .is_none();
        self.notes.extend(caches.then_some(Note::WriterCaches));
        self.notes.extend((!guards.is_empty()).then_some(Note::Guarded(guards)));
        Ok(())
    }

    /// A block for all that have none of their own.
    fn have_default(&mut self) {
        let app = programs::first_app(self.document, b"default");
        if app.and_then(programs::framework).is_none() {
            self.add_framework(app, b"default", Vec::new());
        }
    }

    /// The block of one program, and those of its executables.
    fn app(&mut self, app: &str) -> Result<(), Refusal> {
        for name in programs::block_names(self.document) {
            let own = programs::is_executable(name)
                && Program::of_executable(ByteString(name.to_vec())).app_name.eq_ignore_ascii_case(app);
            if let Some(framework) = programs::first_app(self.document, name).and_then(programs::framework)
                && own
            {
                self.set(framework)?;
            }
        }
        self.one(app.as_bytes(), &[b"default"])
    }

    fn exe(&mut self, exe: &ByteString) -> Result<(), Refusal> {
        let program = Program::of_executable(exe.clone());
        self.one(&exe.0, &[program.app_name.as_bytes(), b"default"])
    }

    /// The block `name`, or else one that stands before those of `behind`.
    fn one(&mut self, name: &[u8], behind: &[&[u8]]) -> Result<(), Refusal> {
        let app = programs::first_app(self.document, name);
        if let Some(framework) = app.and_then(programs::framework) {
            return self.set(framework);
        }
        let behind = behind.iter().filter(|other| !other.eq_ignore_ascii_case(name));
        let hidden = behind.into_iter().find_map(|other| {
            let app = programs::first_app(self.document, other)?;
            Some((app, programs::framework(app)?))
        });
        if hidden.is_some_and(|(_, framework)| self.is_right(framework)) {
            return Ok(());
        }
        let mut carried = Vec::new();
        if let Some((other, framework)) = hidden {
            carried = copies(self.document.text(), &framework.body, KEY).map_err(|at| Refusal::LostKey {
                path: self.request.path.clone(),
                at: self.document.position(at),
            })?;
            if !carried.is_empty() {
                self.notes.push(Note::CarriedAlong {
                    settings: carried.len(),
                    from: ByteString(other.name().to_vec()),
                });
            }
        }
        self.add_framework(app, name, carried);
        Ok(())
    }

    /// A new `framework pkcs15` in a block, or with a block of its own.
    fn add_framework(&mut self, app: Option<&Block>, name: &[u8], carried: Vec<Piece>) {
        let mut inside = vec![self.setting()];
        inside.extend(carried);
        let framework = Piece::Block(b"framework pkcs15".to_vec(), inside);
        match app {
            Some(app) => self.edits.push(self.layout.insert(app, &framework)),
            None => {
                let block = Piece::Block([b"app ", &*as_word(name)].concat(), vec![framework]);
                self.edits.extend(self.layout.append(&block));
            }
        }
    }

    fn setting(&self) -> Piece {
        Piece::Line(format!("{KEY} = {};", self.request.goal).into_bytes())
    }

    fn is_right(&self, framework: &Block) -> bool {
        let value = framework.body.setting(KEY).ok().flatten().and_then(|setting| setting.first);
        programs::is_right(self.request, value.map(|word| word.value.as_slice()))
    }

    /// Makes the value of a block right.
    fn set(&mut self, framework: &'d Block) -> Result<(), Refusal> {
        if self.is_right(framework) {
            return Ok(());
        }
        let setting = framework.body.setting(KEY).map_err(|trap| Refusal::LostKey {
            path: self.request.path.clone(),
            at: self.document.position(trap.key.range.start),
        })?;
        let value = setting.as_ref().and_then(|setting| setting.first).map(|word| word.value.as_slice());
        if self.request.goal == Goal::Public
            && value == Some(b"yes")
            && !self.notes.contains(&Note::YesReplaced)
        {
            self.notes.push(Note::YesReplaced);
        }
        let edit = match setting.as_ref().map(|setting| (setting.first, setting.assignments.first())) {
            Some((Some(word), _)) => self.replace(word),
            Some((None, Some(assignment))) => self.fill(assignment.equals + 1),
            _ => self.add_setting(framework),
        };
        self.edits.push(edit);
        Ok(())
    }

    /// Another word in the place of the value; quotes stay.
    fn replace(&self, word: &Word) -> Edit {
        let goal = self.request.goal;
        let text = match word.quote {
            Quote::Closed => format!("\"{goal}\""),
            Quote::Bare => format!("{goal}{}", self.blank_before(word.range.end)),
            // The quote has swallowed the end of its line, and with it the `;`.
            Quote::Unclosed => match self.document.text().get(word.range.end.saturating_sub(1)) {
                Some(&end @ (b'\r' | b'\n')) => format!("{goal};{}", char::from(end)),
                _ => format!("{goal};"),
            },
        };
        Edit { range: word.range.clone(), text: text.into_bytes() }
    }

    /// A value behind an `=` that has none.
    fn fill(&self, at: usize) -> Edit {
        let is_blank = self.document.text().get(at) == Some(&b' ');
        let (at, before) = if is_blank { (at + 1, "") } else { (at, " ") };
        let after = if self.document.text().get(at).is_none() { ";" } else { self.blank_before(at) };
        Edit { range: at..at, text: format!("{before}{}{after}", self.request.goal).into_bytes() }
    }

    /// A blank, where the next byte would else become a part of the word.
    fn blank_before(&self, at: usize) -> &'static str {
        match self.document.text().get(at) {
            None | Some(b';' | b',' | b' ' | b'\t' | b'\r' | b'\n') => "",
            Some(_) => " ",
        }
    }

    /// The setting where there is none: instead of one that is glued together, below one that is
    /// commented out, or first in the block.
    fn add_setting(&self, framework: &Block) -> Edit {
        let piece = self.setting();
        let glued = framework.body.0.iter().find(|statement| self.is_glued(statement));
        match (glued, &piece) {
            (Some(statement), Piece::Line(text)) => {
                Edit { range: statement.range().clone(), text: text.clone() }
            }
            _ => self
                .layout
                .below_comment(framework, KEY, &piece)
                .unwrap_or_else(|| self.layout.insert(framework, &piece)),
        }
    }

    /// `use_file_caching=yes;`, `use_file_caching yes;` and the like: words that OpenSC forgets, on one
    /// line, that can have been meant for nothing else.
    fn is_glued(&self, statement: &Statement) -> bool {
        let Statement::Discarded(discarded) = statement else { return false };
        let text = self.document.text().get(discarded.range.clone()).unwrap_or_default();
        let Some(first) = discarded.words.first().filter(|word| word.quote == Quote::Bare) else {
            return false;
        };
        let key = first.value.split(|b| *b == b'=').next().unwrap_or_default();
        key.eq_ignore_ascii_case(KEY.as_bytes()) && discarded.words.len() <= 2 && !text.contains(&b'\n')
    }
}

/// Edits in one place as one: what is written behind a text comes behind what that becomes.
fn joined(mut edits: Vec<Edit>) -> Vec<Edit> {
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let mut joined: Vec<Edit> = Vec::new();
    for edit in edits {
        match joined.last_mut() {
            Some(last) if edit.range.is_empty() && last.range.end == edit.range.start => {
                last.text.extend(edit.text);
            }
            _ => joined.push(edit),
        }
    }
    joined
}

/// A name as it has to be written.
fn as_word(name: &[u8]) -> Vec<u8> {
    let plain = name.iter().all(|b| b.is_ascii_alphanumeric() || b"/._-+".contains(b));
    if plain { name.to_vec() } else { [b"\"", name, b"\""].concat() }
}
