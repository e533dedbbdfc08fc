//! What a page is made of.

/// How a piece of a page is meant to strike the eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What not to do: never told as if it were wrong to leave it.
    Danger,
    /// Wrong.
    Bad,
    /// A risk, or not decided.
    Doubtful,
    /// As it should be.
    Good,
    /// Nothing of the kind.
    Plain,
}

/// A piece of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Words, in which names may stand.
    Words(String),
    /// A path, an ID, a command: shown as it is typed.
    Code(String),
    /// A number, time or version: names nobody.
    Fixed(String),
}

impl Cell {
    /// Words.
    #[must_use]
    pub fn words(text: impl Into<String>) -> Self {
        Self::Words(text.into())
    }

    /// What is typed.
    #[must_use]
    pub fn code(text: impl Into<String>) -> Self {
        Self::Code(text.into())
    }

    /// What names nobody.
    #[must_use]
    pub fn fixed(text: impl Into<String>) -> Self {
        Self::Fixed(text.into())
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Words(text) | Self::Code(text) | Self::Fixed(text) => text,
        }
    }
}

/// A part of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading below the title: 1 of a part, 2 of something in it.
    Heading(u8, Cell),
    /// What it comes to, in a word and a sentence.
    Verdict(Level, &'static str, Cell),
    /// A sentence that strikes the eye.
    Banner(Level, Cell),
    /// A paragraph.
    Paragraph(Cell),
    /// Names and what they are.
    Facts(Vec<(String, Cell)>),
    /// Rows below a head; a row has a level.
    Table {
        /// The heads of the columns.
        head: Vec<String>,
        /// The rows.
        rows: Vec<(Level, Vec<Cell>)>,
    },
    /// What to do, one after the other: how, and what it does.
    Steps(Vec<(Cell, Cell)>),
    /// One after the other, in no order.
    List(Vec<Cell>),
    /// Lines as they stand in a file.
    Lines(Vec<Cell>),
}

/// A whole report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its title.
    pub title: Cell,
    /// Its parts.
    pub blocks: Vec<Block>,
}

impl Page {
    /// The same with every text changed.
    #[must_use]
    pub fn map(self, change: &impl Fn(Cell) -> Cell) -> Self {
        let all = |cells: Vec<Cell>| cells.into_iter().map(change).collect::<Vec<Cell>>();
        let block = |block| match block {
            Block::Heading(level, cell) => Block::Heading(level, change(cell)),
            Block::Verdict(level, word, cell) => Block::Verdict(level, word, change(cell)),
            Block::Banner(level, cell) => Block::Banner(level, change(cell)),
            Block::Paragraph(cell) => Block::Paragraph(change(cell)),
            Block::Facts(facts) => {
                Block::Facts(facts.into_iter().map(|(name, cell)| (name, change(cell))).collect())
            }
            Block::Table { head, rows } => Block::Table {
                head,
                rows: rows.into_iter().map(|(level, cells)| (level, all(cells))).collect(),
            },
            Block::Steps(steps) => {
                Block::Steps(steps.into_iter().map(|(how, what)| (change(how), change(what))).collect())
            }
            Block::List(cells) => Block::List(all(cells)),
            Block::Lines(cells) => Block::Lines(all(cells)),
        };
        Self { title: change(self.title), blocks: self.blocks.into_iter().map(block).collect() }
    }
}
