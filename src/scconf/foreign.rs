//! Text in another language than that of `opensc.conf`, recognised by its look: what a template engine should have
//! replaced, and settings as INI, YAML or a shell write them.

/// Another language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// What a template engine should have replaced.
    Template,
    /// `[section]`
    Ini,
    /// `key: value`
    Yaml,
    /// `export KEY=value`, `KEY=$(…)`
    Shell,
    /// `"key": value`
    Json,
    /// `<tag>`
    Xml,
    /// What is left of a merge of two texts: `<<<<<<< …`
    Conflict,
    /// `// …` or `/* … */`
    CComment,
    /// `; …` or `-- …`
    OtherComment,
}

impl Foreign {
    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Template => "a template that was not rendered",
            Self::Ini => "the syntax of INI files",
            Self::Yaml => "the syntax of YAML",
            Self::Shell => "the syntax of a shell",
            Self::Json => "the syntax of JSON",
            Self::Xml => "the syntax of XML",
            Self::Conflict => "a mark of a merge that was not settled",
            Self::OtherComment => "a comment of another language; here only # begins one",
            Self::CComment => "a comment of C; here only # begins one",
        }
    }
}

/// Marks of template engines: ERB, Jinja, Mustache, Go, shell-like substitution.
const MARKS: [&[u8]; 5] = [b"<%", b"%>", b"{{", b"{%", b"${"];

/// Whether a text holds a mark of a template engine.
#[must_use]
pub fn is_template(text: &[u8]) -> bool {
    MARKS.iter().any(|mark| memchr::memmem::find(text, mark).is_some())
}

/// Which language a line looks like, if not ours.
#[must_use]
pub fn foreign(line: &[u8]) -> Option<Foreign> {
    let line = line.trim_ascii();
    if line.starts_with(b"#") {
        return None;
    }
    if is_template(line) {
        return Some(Foreign::Template);
    }
    if [b"<<<<<<<", b"=======", b">>>>>>>"].iter().any(|mark| line.starts_with(*mark)) {
        return Some(Foreign::Conflict);
    }
    let is_tag = |next: &u8| next.is_ascii_alphabetic() || b"/!?".contains(next);
    if line.first() == Some(&b'<') && line.get(1).is_some_and(is_tag) && line.contains(&b'>') {
        return Some(Foreign::Xml);
    }
    let commented = |text: &[u8]| text.trim_ascii().first().is_some_and(u8::is_ascii_alphanumeric);
    if line.strip_prefix(b";").is_some_and(commented) {
        return Some(Foreign::OtherComment);
    }
    if line.starts_with(b"{\"") || line.first() == Some(&b'"') && memchr::memmem::find(line, b"\":").is_some()
    {
        return Some(Foreign::Json);
    }
    if line.starts_with(b"[") && line.contains(&b']') {
        return Some(Foreign::Ini);
    }
    let word = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    let is_name = |name: &[u8]| {
        !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
    };
    if line == b"---" || word.strip_suffix(b":").is_some_and(is_name) {
        return Some(Foreign::Yaml);
    }
    if matches!(word, b"export" | b"set" | b"setenv") {
        return Some(Foreign::Shell);
    }
    let name = word.split(|b| *b == b'=').next().unwrap_or_default();
    let is_upper = name.iter().any(u8::is_ascii_uppercase) && !name.iter().any(u8::is_ascii_lowercase);
    (is_upper && is_name(name) && name.len() < word.len()).then_some(Foreign::Shell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_called_what_they_are() {
        for (line, what) in [
            ("  <% if x %>", Some(Foreign::Template)),
            ("use_file_caching = {{ caching }};", Some(Foreign::Template)),
            ("use_file_caching = ${CACHING};", Some(Foreign::Template)),
            ("[app default]", Some(Foreign::Ini)),
            ("use_file_caching: yes", Some(Foreign::Yaml)),
            ("export OPENSC_DEBUG=3", Some(Foreign::Shell)),
            ("USE_FILE_CACHING=yes", Some(Foreign::Shell)),
            ("; switched off", Some(Foreign::OtherComment)),
            (";", None),
            ("; }", None),
            ("\"use_file_caching\": \"no\",", Some(Foreign::Json)),
            ("{\"app\": 1}", Some(Foreign::Json)),
            ("\"use_file_caching\" = \"no\";", None),
            ("{", None),
            ("<framework name=\"pkcs15\">", Some(Foreign::Xml)),
            ("<!-- off -->", Some(Foreign::Xml)),
            ("<<<<<<< HEAD", Some(Foreign::Conflict)),
            ("=======", Some(Foreign::Conflict)),
            ("use_file_caching = yes;", None),
            ("use_file_caching=yes;", None),
            ("USE_FILE_CACHING = yes;", None),
            ("# {{ x }}", None),
            ("app default { framework pkcs15 { } }", None),
            ("}}", None),
            ("", None),
        ] {
            assert_eq!(foreign(line.as_bytes()), what, "{line}");
        }
    }
}
