//! ARCHITECTURE.md is true: the rooms that it names are the tree, imports run downwards through them, and no file
//! imports itself by way of others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use syn::buffer::{Cursor, TokenBuffer};
use syn::visit::{self, Visit};

/// A module path without `crate`, as `["rules", "token"]`.
type Module = Vec<String>;

/// The files of the library, each with the modules that it imports or names by a path.
struct Tree {
    files: BTreeMap<Module, PathBuf>,
    named: BTreeMap<Module, BTreeSet<Module>>,
}

impl Tree {
    /// Read once: that takes seconds.
    fn get() -> &'static Self {
        static TREE: OnceLock<Tree> = OnceLock::new();
        TREE.get_or_init(Self::read)
    }

    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = BTreeMap::new();
        for entry in walkdir::WalkDir::new(&root) {
            let path = entry.unwrap().into_path();
            let inner = path.strip_prefix(&root).unwrap().with_extension("");
            let mut module: Module = inner.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            if module.last().is_some_and(|last| last == "mod") {
                module.pop();
            }
            // A module of tests, in a file of its own, may look at whatever it wants.
            let is_test = module.last().is_some_and(|last| last.ends_with("tests"));
            if path.extension().is_some_and(|kind| kind == "rs") && module != ["main"] && !is_test {
                files.insert(if module == ["lib"] { Module::new() } else { module }, path);
            }
        }
        let mut imports: BTreeMap<Module, Imports> = BTreeMap::new();
        for (module, path) in &files {
            let file = syn::parse_file(&std::fs::read_to_string(path).unwrap()).unwrap();
            let children = file.items.iter().filter_map(|item| match item {
                syn::Item::Mod(child) if child.content.is_none() => Some(child.ident.to_string()),
                _ => None,
            });
            let mut found =
                Imports { at: module.clone(), children: children.collect(), ..Imports::default() };
            found.visit_file(&file);
            imports.insert(module.clone(), found);
        }
        let reexported: BTreeMap<Module, Module> =
            imports.values().flat_map(|found| found.reexported.clone()).collect();
        // The file in which a path ends, by way of what others pass on.
        let end = |path: &Module| {
            let mut path = path.clone();
            for _ in 0..8 {
                let passed = (1..=path.len()).find_map(|length| {
                    Some((length, reexported.get(&path[..length])?))
                        .filter(|_| !files.contains_key(&path[..length]))
                });
                let Some((length, to)) = passed else { break };
                path = to.iter().chain(&path[length..]).cloned().collect();
            }
            (1..=path.len())
                .rev()
                .map(|length| path[..length].to_vec())
                .find(|module| files.contains_key(module))
        };
        let named = imports.iter().map(|(module, found)| {
            let others = found.paths.iter().filter_map(&end).filter(|other| other != module);
            (module.clone(), others.collect())
        });
        Self { named: named.collect(), files }
    }
}

/// What a file names.
#[derive(Default)]
struct Imports {
    at: Module,
    /// The files below that it declares: a path may begin with one, without `self`.
    children: BTreeSet<String>,
    paths: BTreeSet<Module>,
    reexported: BTreeMap<Module, Module>,
}

impl Imports {
    /// A path as seen from the crate; none if it is of another crate.
    fn absolute(&self, path: &[String]) -> Option<Module> {
        let mut base = match path.first().map(String::as_str) {
            Some("crate") => return Some(path[1..].to_vec()),
            Some("self" | "super") => self.at.clone(),
            Some(child) if self.children.contains(child) => self.at.clone(),
            _ => return None,
        };
        let mut rest = path;
        while let Some((first, others)) = rest.split_first() {
            match first.as_str() {
                "self" => {}
                "super" => drop(base.pop()),
                _ => break,
            }
            rest = others;
        }
        Some(base.into_iter().chain(rest.iter().cloned()).collect())
    }

    fn tree(&mut self, prefix: &[String], tree: &syn::UseTree, passed_on: bool) {
        let joined = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&joined(&path.ident), &path.tree, passed_on),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|item| self.tree(prefix, item, passed_on));
            }
            syn::UseTree::Name(name) if name.ident == "self" => self.add(prefix, prefix.last(), passed_on),
            syn::UseTree::Name(name) => {
                let path = joined(&name.ident);
                self.add(&path, path.last(), passed_on);
            }
            syn::UseTree::Rename(name) => {
                self.add(&joined(&name.ident), Some(&name.rename.to_string()), passed_on);
            }
            syn::UseTree::Glob(_) => self.add(prefix, None, passed_on),
        }
    }

    fn add(&mut self, path: &[String], name: Option<&String>, passed_on: bool) {
        let Some(absolute) = self.absolute(path) else { return };
        // What a file passes on of those below it is their door, and no import of its own.
        if let (true, Some(name)) = (passed_on, name) {
            self.reexported.insert([self.at.as_slice(), std::slice::from_ref(name)].concat(), absolute);
        } else {
            self.paths.insert(absolute);
        }
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string().contains("test"))
    })
}

impl<'ast> Visit<'ast> for Imports {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_for_tests(&item.attrs) {
            self.tree(&[], &item.tree, !matches!(item.vis, syn::Visibility::Inherited));
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if names.len() > 1 {
            self.paths.extend(self.absolute(&names));
        }
        visit::visit_path(self, path);
    }

    /// For whom a thing is there is no import of it.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    /// What a macro is handed is not parsed: paths are found by their colons.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.tokens(TokenBuffer::new2(call.tokens.clone()).begin());
        visit::visit_macro(self, call);
    }
}

impl Imports {
    fn tokens(&mut self, mut at: Cursor<'_>) {
        while !at.eof() {
            at = if let Some((name, mut rest)) = at.ident() {
                let mut path = vec![name.to_string()];
                while let Some((name, behind)) = behind_colons(rest) {
                    path.push(name.to_string());
                    rest = behind;
                }
                if path.len() > 1 {
                    self.paths.extend(self.absolute(&path));
                }
                rest
            } else if let Some((inside, _, _, rest)) = at.any_group() {
                self.tokens(inside);
                rest
            } else {
                at.token_tree().unwrap().1
            };
        }
    }
}

/// The name that two colons stand before.
fn behind_colons(at: Cursor<'_>) -> Option<(syn::Ident, Cursor<'_>)> {
    let (first, at) = at.punct()?;
    let (second, at) = at.punct()?;
    if first.as_char() == ':' && second.as_char() == ':' { at.ident() } else { None }
}

/// The rooms, from the top down, as ARCHITECTURE.md lists them: of one line, of one height.
fn rooms() -> Vec<Vec<String>> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/ARCHITECTURE.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")).map(|line| {
        let cell = line.split('|').next().unwrap();
        cell.split('`')
            .filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_') && !name.is_empty())
            .map(str::to_owned)
            .collect()
    });
    rows.collect()
}

#[test]
fn the_rooms_that_are_named_are_the_tree() {
    let mut named: Vec<String> = rooms().concat();
    named.sort();
    let files = &Tree::get().files;
    let there: BTreeSet<String> = files.keys().filter_map(|module| module.first().cloned()).collect();
    assert_eq!(named, there.into_iter().collect::<Vec<_>>());
}

#[test]
fn imports_run_downwards() {
    let rooms = rooms();
    let height =
        |module: &Module| rooms.iter().position(|row| module.first().is_some_and(|room| row.contains(room)));
    let mut upwards = Vec::new();
    for (module, others) in &Tree::get().named {
        for other in others {
            let is_same = module.first() == other.first();
            if !module.is_empty() && !is_same && height(other) <= height(module) {
                upwards.push(format!("{} names {}", module.join("::"), other.join("::")));
            }
        }
    }
    assert!(upwards.is_empty(), "{}", upwards.join("\n"));
}

/// Of files that name each other none can be understood, moved or tested alone. Handles of directories and files
/// (`safe_fs`) are the exception.
#[test]
fn no_file_imports_itself_by_way_of_others() {
    let tree = Tree::get();
    let reach = |from: &Module| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(module) = next.pop() {
            for other in tree.named.get(&module).into_iter().flatten() {
                if seen.insert(other.clone()) {
                    next.push(other.clone());
                }
            }
        }
        seen
    };
    let reaches: BTreeMap<&Module, BTreeSet<Module>> =
        tree.files.keys().map(|module| (module, reach(module))).collect();
    let mut circles: BTreeSet<Vec<String>> = BTreeSet::new();
    for (module, reached) in &reaches {
        if reached.contains(*module) && module.first().is_none_or(|room| room != "safe_fs") {
            let back = reaches.iter().filter(|(other, of)| reached.contains(**other) && of.contains(*module));
            circles.insert(back.map(|(other, _)| other.join("::")).collect());
        }
    }
    let text: Vec<String> = circles.iter().map(|circle| circle.join(" <-> ")).collect();
    assert!(text.is_empty(), "{}", text.join("\n"));
}

/// Calls that panic where the system starts no thread.
#[derive(Default)]
struct Spawns(Vec<String>);

impl<'ast> Visit<'ast> for Spawns {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let syn::Expr::Path(path) = &*call.func {
            let names: Vec<String> =
                path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            if names.last().is_some_and(|name| name == "spawn") {
                self.0.push(names.join("::"));
            }
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        // Processes are started by the same name, without an argument.
        if call.method == "spawn" && !call.args.is_empty() {
            self.0.push("spawn(…)".to_owned());
        }
        visit::visit_expr_method_call(self, call);
    }
}

/// `thread::spawn` and `Scope::spawn` panic where there is no thread to be had: whoever wants one asks `patience::aside`, or
/// `Builder::spawn_scoped`, and has a way without.
#[test]
fn no_thread_is_started_that_might_panic() {
    let mut found = Vec::new();
    for (module, path) in &Tree::get().files {
        let mut spawns = Spawns::default();
        spawns.visit_file(&syn::parse_file(&std::fs::read_to_string(path).unwrap()).unwrap());
        found.extend(spawns.0.into_iter().map(|what| format!("{}: {what}", module.join("::"))));
    }
    assert_eq!(found, ["patience: spawn(…)"]);
}

/// What is named in expressions: the last two words of each path.
#[derive(Default)]
struct Named(Vec<String>);

impl<'ast> Visit<'ast> for Named {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
        let names: Vec<String> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.0.push(names[names.len().saturating_sub(2)..].join("::"));
        visit::visit_expr_path(self, path);
    }
}

/// The files that satisfy a condition, once for each time that one of these is named in them.
fn named_in(words: &[&str], is_meant: &dyn Fn(&Module) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (module, path) in Tree::get().files.iter().filter(|(module, _)| is_meant(module)) {
        let mut named = Named::default();
        named.visit_file(&syn::parse_file(&std::fs::read_to_string(path).unwrap()).unwrap());
        let times = named.0.iter().filter(|name| words.contains(&name.as_str())).count();
        found.extend((0..times).map(|_| module.join("::")));
    }
    found
}

/// Both views of a cache are compared when its case is made, and nowhere again: what is made of the differences is
/// linear in them then.
#[test]
fn the_views_of_a_cache_are_compared_in_one_place() {
    let difference = ["view", "difference"].map(str::to_owned).to_vec();
    let knows = |module: &Module| Tree::get().named[module].contains(&difference);
    assert_eq!(named_in(&["compare", "difference::compare"], &knows), ["case::cache_view"]);
}

/// What the name of a cache entry means is told where the entry is first seen, and carried from there.
#[test]
fn the_name_of_an_entry_is_understood_where_it_is_first_seen() {
    let mut places = named_in(&["EntryName::from"], &|_| true);
    places.dedup();
    let seen = [
        "observe::ask::place",
        "observe::ask::round",
        "observe::quarantine",
        "repair::undo",
        // Of a text in which one stands.
        "report::page::redact::paths",
        "safe_fs::observe",
    ];
    assert_eq!(places, seen);
}

/// The methods that are called.
#[derive(Default)]
struct Methods(BTreeSet<String>);

impl<'ast> Visit<'ast> for Methods {
    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.0.insert(call.method.to_string());
        visit::visit_expr_method_call(self, call);
    }
}

/// Modules of others are foreign code that talks to cards: one file has them loaded, and it only lists. Whatever else it
/// calls has to be put into this list by somebody who has thought about it: no login, no session that writes.
#[test]
fn modules_of_others_are_loaded_in_one_place_and_only_listed() {
    let files = &Tree::get().files;
    let names = |path: &PathBuf| std::fs::read_to_string(path).unwrap().contains("cryptoki::");
    let places: Vec<String> =
        files.iter().filter(|(_, path)| names(path)).map(|(module, _)| module.join("::")).collect();
    assert_eq!(places, ["card::module"]);
    let mut methods = Methods::default();
    let path = &files[&["card", "module"].map(str::to_owned).to_vec()];
    // Also in what macros are handed.
    let text = std::fs::read_to_string(path).unwrap();
    assert!(!text.contains("login(") && !text.contains("rw_session("));
    methods.visit_file(&syn::parse_file(&std::fs::read_to_string(path).unwrap()).unwrap());
    let of_pkcs11 = [
        "finalize",
        "get_attribute_info",
        "get_attributes",
        "get_library_info",
        "get_slot_info",
        "get_slots_with_token",
        "get_token_info",
        "initialize",
        "iter_objects",
        "open_ro_session",
    ];
    let of_answers = [
        "id",
        "label",
        "library_description",
        "library_version",
        "manufacturer_id",
        "serial_number",
        "slot_description",
    ];
    let of_rust = [
        "and_then",
        "as_deref",
        "clone",
        "collect",
        "filter",
        "filter_map",
        "first",
        "into",
        "is_empty",
        "iter",
        "join",
        "len",
        "map",
        "map_err",
        "ok",
        "or_else",
        "pop",
        "push",
        "spki",
        "take",
        "to_owned",
        "to_string",
        "trim",
        "trim_end_matches",
        "unwrap_or_default",
        "zip",
    ];
    let known: BTreeSet<String> =
        of_pkcs11.iter().chain(&of_answers).chain(&of_rust).map(|name| (*name).to_owned()).collect();
    assert_eq!(methods.0, known);
}
