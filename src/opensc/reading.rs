//! A configuration that parsed, on its way to one program: its `app` blocks, the `framework pkcs15` block that
//! wins, the values there, and what kills it on that way.

use super::crash::{self, Crash, When};
use super::effective::{Effective, FileUse, Outcome, Situation, Winner, Written, caching_of, is_template};
use super::shadowed;
use super::{Caching, Program, Version, cache_dir, differences};
use crate::scconf::{Block, Document, Setting, Spot, Trap};
use crate::snapshot::ByteString;

/// A file that parsed, on its way to a program.
pub(super) struct Reading<'a> {
    pub situation: &'a Situation<'a>,
    pub document: &'a Document,
    pub path: &'a ByteString,
    pub version: Version,
}

impl Reading<'_> {
    pub fn outcome(&self, program: &Program, driver: &str) -> Outcome {
        if let Some(exe) = self.unnamed_executable(program) {
            let why = format!("{}:{exe}: this block may be the program's own", self.path);
            return self.situation.unknown(why);
        }
        match self.effective(program, driver) {
            Ok(effective) => Outcome::Runs(Box::new(effective)),
            Err((trap, when)) => Outcome::Crashes(self.crash(&trap, when)),
        }
    }

    fn effective(&self, program: &Program, driver: &str) -> Result<Effective, (Trap, When)> {
        let apps = self.app_blocks(program).map_err(|trap| (trap, When::Start))?;
        crash::at_start(&apps, program).map_err(|trap| (trap, When::Start))?;
        let mut winner = None;
        for app in &apps {
            let frameworks =
                app.body.blocks("framework", Some(b"pkcs15")).map_err(|trap| (trap, When::Start))?;
            if let Some(&framework) = frameworks.first() {
                winner = Some((*app, framework));
                break;
            }
        }
        let mut caching = caching_of(self.version, None, driver);
        let (mut switch, mut dir) = (None, None);
        if let Some((_, framework)) = winner {
            let bind = |trap| (trap, When::Bind);
            crash::at_bind(framework).map_err(bind)?;
            switch = framework.body.setting("use_file_caching").map_err(bind)?;
            caching = caching_of(self.version, value(switch.as_ref()), driver);
            dir = match framework.body.setting("file_cache_dir") {
                // Nobody asks for the directory of a cache that is off.
                Err(_) if caching == Caching::No => None,
                found => found.map_err(bind)?,
            };
        }
        let may_crash = crash::sometimes(&apps, winner.map(|(_, framework)| framework));
        let configured = value(dir.as_ref()).filter(|value| !is_template(value));
        Ok(Effective {
            file: FileUse::Read(self.path.clone()),
            block: winner.map(|(app, framework)| Winner {
                app: ByteString(app.name().to_vec()),
                at: self.document.spot(&framework.key.word().range),
            }),
            caching,
            use_file_caching: switch.as_ref().map(|setting| self.written(setting)),
            file_cache_dir: dir.as_ref().map(|setting| self.written(setting)),
            cache_dir: cache_dir::cache_dir(self.version, &self.situation.user.env, configured),
            shadowed: shadowed::find(self.document, &self.names(program), &apps, winner.map(|(_, f)| f)),
            may_crash: may_crash.map(|trap| self.crash(&trap, When::Sometimes)),
        })
    }

    /// The names of the program's blocks, in OpenSC's order.
    fn names<'p>(&self, program: &'p Program) -> Vec<&'p [u8]> {
        let mut names = Vec::new();
        if let (true, Some(exe)) = (differences::has_executable_blocks(self.version), &program.exe) {
            names.push(exe.0.as_slice());
        }
        names.push(program.app_name.as_bytes());
        if program.app_name != "default" {
            names.push(b"default");
        }
        names
    }

    /// The first block of each name.
    pub fn app_blocks(&self, program: &Program) -> Result<Vec<&Block>, Trap> {
        let mut apps = Vec::new();
        for name in self.names(program) {
            apps.extend(self.document.root().blocks("app", Some(name))?.first().copied());
        }
        Ok(apps)
    }

    /// A block that may be named after the program's executable, which we do not know.
    fn unnamed_executable(&self, program: &Program) -> Option<Spot> {
        if program.exe.is_some() || !differences::has_executable_blocks(self.version) {
            return None;
        }
        let tail = format!("/{}", program.app_name);
        let own = |block: &&Block| {
            let name = block.name();
            let end = name.len().checked_sub(tail.len()).and_then(|at| name.get(at..));
            block.key.is("app") && end.is_some_and(|end| end.eq_ignore_ascii_case(tail.as_bytes()))
        };
        let block = self.document.root().all_blocks().find(own)?;
        Some(self.document.spot(&block.key.word().range))
    }

    fn written(&self, setting: &Setting<'_>) -> Written {
        let key = setting.assignments.first().map(|first| first.key.word());
        let range = setting.first.or(key).map_or(0..0, |word| word.range.clone());
        Written {
            value: setting.first.map(|word| ByteString(word.value.clone())),
            at: self.document.spot(&range),
        }
    }

    fn crash(&self, trap: &Trap, when: When) -> Crash {
        Crash {
            file: self.path.clone(),
            at: self.document.spot(&trap.key.range),
            taken_by: self.document.spot(&trap.taken_by),
            key: ByteString(trap.key.value.clone()),
            when,
        }
    }
}

fn value<'a>(setting: Option<&Setting<'a>>) -> Option<&'a [u8]> {
    setting.and_then(|setting| setting.first).map(|word| word.value.as_slice())
}
