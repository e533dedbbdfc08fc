//! How new statements look: the file's own line ends and indentation, one line
//! where the block stands on one line, and only at places between two statements.

use crate::scconf::edit::Edit;
use crate::scconf::{Assignment, Block, Body, Document, End, Quote, Statement, Token, TokenKind, Word};

/// A statement to be written.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    /// A whole statement on one line.
    Line(Vec<u8>),
    /// A block: what stands before its `{`, and what is inside.
    Block(Vec<u8>, Vec<Self>),
}

/// The habits of one file.
pub(super) struct Layout<'d> {
    document: &'d Document,
    line_end: &'static [u8],
    unit: Vec<u8>,
}

impl<'d> Layout<'d> {
    pub(super) fn of(document: &'d Document) -> Self {
        let text = document.text();
        let first = text.iter().position(|&b| b == b'\n');
        let is_crlf = first.is_some_and(|at| at > 0 && text.get(at - 1) == Some(&b'\r'));
        let mut layout =
            Self { document, line_end: if is_crlf { b"\r\n" } else { b"\n" }, unit: b"\t".to_vec() };
        if let Some(unit) = layout.unit_in(document.root()) {
            layout.unit = unit;
        }
        layout
    }

    /// A statement at the beginning of a block, where nothing before it can be unfinished.
    pub(super) fn insert(&self, block: &Block, piece: &Piece) -> Edit {
        match self.next_line(block) {
            Some(at) => self.lines(at, &self.inner_indent(block), piece),
            None => self.inline(block.open + 1, piece),
        }
    }

    /// A statement below the comment in `block` that shows how it would be written, if there is one.
    pub(super) fn below_comment(&self, block: &Block, key: &str, piece: &Piece) -> Option<Edit> {
        let end = block.close.unwrap_or(self.document.text().len());
        let inside = |range: &std::ops::Range<usize>| range.start > block.open && range.end <= end;
        let tokens = self.document.tokens();
        tokens.iter().enumerate().find_map(|(index, token)| {
            let shown = self.text(token).trim_ascii_start().strip_prefix(b"#")?.trim_ascii_start();
            let is_key = shown.get(..key.len()).is_some_and(|k| k.eq_ignore_ascii_case(key.as_bytes()));
            let alone = self.own_indent(token.range.start)?;
            let newline = tokens.get(index + 1..)?.iter().find(|token| token.kind != TokenKind::Space)?;
            let fits = token.kind == TokenKind::Comment
                && is_key
                && inside(&token.range)
                && newline.kind == TokenKind::Newline
                && between_statements(&block.body, token.range.start);
            fits.then(|| self.lines(newline.range.end, &alone, piece))
        })
    }

    /// A block outside of all others: at the end, behind what is missing there (a `;`, braces), or before a statement
    /// that nothing can end.
    pub(super) fn append(&self, piece: &Piece) -> Vec<Edit> {
        let text = self.document.text();
        let Some(open) = open_end(self.document.root(), text) else { return vec![self.before_last(piece)] };
        let mut tail = Vec::new();
        if text.last().is_some_and(|&b| b != b'\n') {
            tail.extend_from_slice(self.line_end);
        }
        for depth in (0..open.blocks).rev() {
            tail.extend(self.unit.repeat(depth));
            tail.push(b'}');
            tail.extend_from_slice(self.line_end);
        }
        self.write_lines(&mut tail, b"", piece);
        let semicolon = open.statement.map(|at| Edit { range: at..at, text: b";".to_vec() });
        semicolon.into_iter().chain([Edit { range: text.len()..text.len(), text: tail }]).collect()
    }

    fn before_last(&self, piece: &Piece) -> Edit {
        let at = self.document.root().0.last().map_or(0, |last| last.range().start);
        match self.own_indent(at) {
            Some(indent) => self.lines(at - indent.len(), &indent, piece),
            None => {
                let mut edit = self.lines(at, b"", piece);
                edit.text.splice(0..0, self.line_end.iter().copied());
                edit
            }
        }
    }

    /// The first place on the line below a `{` that has nothing but a comment behind it.
    fn next_line(&self, block: &Block) -> Option<usize> {
        let behind = self.document.tokens().iter().skip_while(|token| token.range.start <= block.open);
        let mut rest = behind.skip_while(|token| matches!(token.kind, TokenKind::Space | TokenKind::Comment));
        rest.next().filter(|token| token.kind == TokenKind::Newline).map(|token| token.range.end)
    }

    fn lines(&self, at: usize, indent: &[u8], piece: &Piece) -> Edit {
        let mut text = Vec::new();
        self.write_lines(&mut text, indent, piece);
        Edit { range: at..at, text }
    }

    fn write_lines(&self, out: &mut Vec<u8>, indent: &[u8], piece: &Piece) {
        let mut line = |parts: &[&[u8]]| {
            out.extend_from_slice(indent);
            parts.iter().for_each(|part| out.extend_from_slice(part));
            out.extend_from_slice(self.line_end);
        };
        match piece {
            Piece::Line(text) => line(&[text]),
            Piece::Block(head, inside) => {
                line(&[head, b" {"]);
                let deeper = [indent, &self.unit].concat();
                inside.iter().for_each(|piece| self.write_lines(out, &deeper, piece));
                out.extend_from_slice(indent);
                out.extend_from_slice(b"}");
                out.extend_from_slice(self.line_end);
            }
        }
    }

    fn inline(&self, at: usize, piece: &Piece) -> Edit {
        let mut text = b" ".to_vec();
        write_inline(&mut text, piece);
        let next = self.document.text().get(at);
        if next.is_some_and(|b| !b.is_ascii_whitespace()) {
            text.push(b' ');
        }
        Edit { range: at..at, text }
    }

    /// What stands before `at` on its line, if that is blank.
    fn own_indent(&self, at: usize) -> Option<Vec<u8>> {
        let before = self.document.text().get(..at)?;
        let start = before.iter().rposition(|&b| b == b'\n').map_or(0, |newline| newline + 1);
        let indent = before.get(start..)?;
        indent.iter().all(|b| matches!(b, b' ' | b'\t')).then(|| indent.to_vec())
    }

    /// The indentation of a block's statements: that of its first one that has a line of its own.
    fn inner_indent(&self, block: &Block) -> Vec<u8> {
        let own = block.body.0.iter().find_map(|statement| self.own_indent(statement.range().start));
        own.unwrap_or_else(|| [self.line_indent(block.range.start), self.unit.clone()].concat())
    }

    /// The blanks at the beginning of the line that `at` stands on.
    fn line_indent(&self, at: usize) -> Vec<u8> {
        let before = self.document.text().get(..at).unwrap_or_default();
        let start = before.iter().rposition(|&b| b == b'\n').map_or(0, |newline| newline + 1);
        let line = before.get(start..).unwrap_or_default();
        line.iter().copied().take_while(|b| matches!(b, b' ' | b'\t')).collect()
    }

    /// By how much the first statement that shows it is indented more than its block.
    fn unit_in(&self, body: &Body) -> Option<Vec<u8>> {
        body.all_blocks().find_map(|block| {
            let outer = self.line_indent(block.range.start);
            let first = block.body.0.iter().find_map(|s| self.own_indent(s.range().start));
            let unit = first.as_deref().and_then(|inner| inner.strip_prefix(outer.as_slice()));
            unit.filter(|unit| !unit.is_empty()).map(<[u8]>::to_vec).or_else(|| self.unit_in(&block.body))
        })
    }

    fn text(&self, token: &Token) -> &'d [u8] {
        self.document.text().get(token.range.clone()).unwrap_or_default()
    }
}

/// Whether a place in a block lies behind a finished statement and before the next.
fn between_statements(body: &Body, at: usize) -> bool {
    let before = body.0.iter().take_while(|statement| statement.range().start < at).last();
    before.is_none_or(|statement| {
        statement.range().end <= at
            && !matches!(
                statement,
                Statement::Assignment(Assignment { end: End::NextWord | End::Brace | End::File, .. })
            )
    })
}

/// What is open at the end of a text.
#[derive(Default)]
struct OpenEnd {
    /// How many blocks.
    blocks: usize,
    /// Where the `;` of the last statement belongs, if it has none.
    statement: Option<usize>,
}

/// What is open at the end; none if nothing that is written there ends it: a quote.
fn open_end(body: &Body, text: &[u8]) -> Option<OpenEnd> {
    let mut open = OpenEnd::default();
    let mut body = body;
    loop {
        let (end, last) = match body.0.last() {
            Some(Statement::Block(block)) if block.close.is_none() => {
                open.blocks += 1;
                body = &block.body;
                continue;
            }
            Some(Statement::Assignment(a)) if a.end != End::Semicolon => (a.range.end, a.values.last()),
            Some(Statement::Discarded(discarded)) => (discarded.range.end, discarded.words.last()),
            Some(Statement::Assignment(_) | Statement::Block(_)) | None => return Some(open),
        };
        if last.is_some_and(|word| word.quote == Quote::Unclosed) {
            return None;
        }
        let is_ended = end.checked_sub(1).and_then(|at| text.get(at)) == Some(&b';');
        let in_word = last.is_some_and(|word| word.range.end == end);
        open.statement = (in_word || !is_ended).then_some(end);
        return Some(open);
    }
}

fn write_inline(out: &mut Vec<u8>, piece: &Piece) {
    match piece {
        Piece::Line(text) => out.extend_from_slice(text),
        Piece::Block(head, inside) => {
            out.extend_from_slice(head);
            out.extend_from_slice(b" {");
            for piece in inside {
                out.push(b' ');
                write_inline(out, piece);
            }
            out.extend_from_slice(b" }");
        }
    }
}

/// The statements of a block that have an effect, without `omit`, to be written elsewhere.
/// The place of the first that has lost its key, as an error.
pub(super) fn copies(text: &[u8], body: &Body, omit: &str) -> Result<Vec<Piece>, usize> {
    rewritten(text, body, &[omit], &|_| None)
}

/// What is to stand in a block instead of what does.
pub(super) type Inside = Option<Result<Vec<Piece>, usize>>;

/// The same with other statements inside of some blocks.
pub(super) fn rewritten(
    text: &[u8],
    body: &Body,
    omit: &[&str],
    inside: &dyn Fn(&Block) -> Inside,
) -> Result<Vec<Piece>, usize> {
    let raw = |word: &Word| -> Vec<u8> {
        let bytes = text.get(word.range.clone()).unwrap_or_default();
        bytes.strip_suffix(b"\0").filter(|_| word.quote == Quote::Bare).unwrap_or(bytes).to_vec()
    };
    let list = |words: &[Word]| words.iter().map(raw).collect::<Vec<_>>().join(&b", "[..]);
    let mut pieces = Vec::new();
    for statement in &body.0 {
        match statement {
            Statement::Assignment(a) if a.key.is_lost() => return Err(a.range.start),
            Statement::Block(b) if b.key.is_lost() => return Err(b.range.start),
            Statement::Assignment(a) if omit.iter().any(|key| a.key.is(key)) => {}
            Statement::Assignment(a) => {
                pieces.push(Piece::Line([&raw(a.key.word())[..], b" = ", &list(&a.values), b";"].concat()));
            }
            Statement::Block(b) => {
                let mut head = raw(b.key.word());
                if !b.names.is_empty() {
                    head.push(b' ');
                    head.extend(list(&b.names));
                }
                pieces.push(Piece::Block(head, inside(b).unwrap_or_else(|| copies(text, &b.body, ""))?));
            }
            Statement::Discarded(_) => {}
        }
    }
    Ok(pieces)
}

/// Pieces as a text of their own.
pub(super) fn printed(pieces: &[Piece]) -> Vec<u8> {
    fn print(out: &mut Vec<u8>, pieces: &[Piece], depth: usize) {
        let indent = b"\t".repeat(depth);
        for piece in pieces {
            out.extend_from_slice(&indent);
            match piece {
                Piece::Line(text) => out.extend_from_slice(text),
                Piece::Block(head, inside) => {
                    out.extend_from_slice(head);
                    out.extend_from_slice(b" {\n");
                    print(out, inside, depth + 1);
                    out.extend_from_slice(&indent);
                    out.push(b'}');
                }
            }
            out.push(b'\n');
        }
    }
    let mut out = Vec::new();
    print(&mut out, pieces, 0);
    out
}
