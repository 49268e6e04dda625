//! The paths in a source file that lead into the crate, from `use` declarations and from all other code.
//!
//! Every path counts, because `crate::http::reply::json(…)` needs the module as much as `use crate::http::reply` does.
//! A method call without a path is invisible here, but its type was imported somewhere.

use super::rust::{Source, block_end, inline_modules, is_word, words};

/// A path from the root of the crate: the names of `crate::http::reply::json` are `http`, `reply` and `json`.
#[derive(Debug, PartialEq, Eq)]
pub struct Import {
    /// The offset of its end, so that each path of a group has its own line.
    pub at: usize,
    pub names: Vec<String>,
}

/// The names of the module that a file of `src/` defines: `src/http/reply.rs` is `http`, `reply`. The root has none.
pub fn module(path: &str) -> Vec<String> {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    let inner = inner.strip_suffix("/mod").unwrap_or(inner);
    if matches!(inner, "lib" | "main") { Vec::new() } else { inner.split('/').map(str::to_owned).collect() }
}

/// Every path that begins with `crate`, `countersign`, `self` or `super`, in order; then every path that begins with a
/// name from `mod name;` or `use …::name`. A name that a glob brings into scope is not seen.
pub fn imports(source: &Source) -> Vec<Import> {
    let file = File { source, own: module(&source.path), inline: inline_modules(&source.code) };
    let mut found = Vec::new();
    for (word, is_root) in [("crate", true), ("countersign", true), ("self", false), ("super", false)] {
        for at in file.path_starts(word) {
            let base = if is_root { Vec::new() } else { step(file.module(at), word) };
            found.extend(leaves(&source.code, at + word.len(), base).into_iter().map(|import| (at, import)));
        }
    }
    found.sort_by_key(|(_, import)| import.at);
    let mut bindings = file.children();
    bindings.extend(found.iter().filter_map(|(start, import)| file.used_name(*start, import)));
    for Binding { name, scope, module } in bindings {
        for at in file.path_starts(&name).into_iter().filter(|at| file.scope(*at) == scope) {
            found.extend(leaves(&source.code, at + name.len(), module.clone()).into_iter().map(|import| (at, import)));
        }
    }
    found.into_iter().map(|(_, import)| import).collect()
}

/// A name that begins paths in one inline module of a file, or in the file outside of them.
struct Binding {
    name: String,
    scope: usize,
    module: Vec<String>,
}

struct File<'a> {
    source: &'a Source,
    own: Vec<String>,
    inline: Vec<(String, usize, usize)>,
}

impl File<'_> {
    /// The inline modules around an offset, from the outermost to the innermost.
    fn enclosing(&self, at: usize) -> impl Iterator<Item = &(String, usize, usize)> {
        self.inline.iter().filter(move |(_, start, end)| (*start..*end).contains(&at))
    }

    /// The start of the innermost inline module around an offset; 0 outside of all.
    fn scope(&self, at: usize) -> usize {
        self.enclosing(at).last().map_or(0, |(_, start, _)| *start)
    }

    /// The module that an offset is in.
    fn module(&self, at: usize) -> Vec<String> {
        self.own.iter().cloned().chain(self.enclosing(at).map(|(name, ..)| name.clone())).collect()
    }

    /// Where `word` begins a path. The path in `pub(in crate::issuer)` is none: it imports nothing.
    fn path_starts(&self, word: &str) -> Vec<usize> {
        let code = &self.source.code;
        let is_path = |at: &usize| {
            let imports = code[at + word.len()..].starts_with("::") && !code[..*at].ends_with("(in ");
            imports && self.source.begins_path(*at)
        };
        words(code, word).into_iter().filter(is_path).collect()
    }

    /// The modules that `mod name;` declares.
    fn children(&self) -> Vec<Binding> {
        let code = &self.source.code;
        let declared = words(code, "mod").into_iter().filter_map(|at| {
            let name = word_at(code, at + "mod ".len());
            let is_file = code[at + "mod ".len() + name.len()..].starts_with(';');
            is_file.then(|| Binding {
                name: name.to_owned(),
                scope: self.scope(at),
                module: step(self.module(at), name),
            })
        });
        declared.collect()
    }

    /// The name that an import brings into scope, if `use` stands before the start of its path.
    fn used_name(&self, start: usize, import: &Import) -> Option<Binding> {
        let code = &self.source.code;
        let alias = code[import.at..].strip_prefix(" as ").map(|rest| word_at(rest, 0).to_owned());
        let name = alias.or_else(|| import.names.last().cloned())?;
        let used = code[..start].ends_with("use ");
        used.then(|| Binding { name, scope: self.scope(start), module: import.names.clone() })
    }
}

/// The module or item that `name` is in `module`.
fn step(mut module: Vec<String>, name: &str) -> Vec<String> {
    match name {
        "self" => {}
        "super" => drop(module.pop()),
        _ => module.push(name.to_owned()),
    }
    module
}

/// Every path that begins with `names` and goes on at `at`: one, or one for each item of a group.
fn leaves(code: &str, at: usize, names: Vec<String>) -> Vec<Import> {
    let next = at + "::".len();
    if !code[at..].starts_with("::") {
        return vec![Import { at, names }];
    }
    if code[next..].starts_with('{') {
        let items = group_items(code, next).into_iter().filter(|item| !word_at(code, *item).is_empty());
        let leaves_of = |item: usize| {
            let name = word_at(code, item);
            leaves(code, item + name.len(), step(names.clone(), name))
        };
        return items.flat_map(leaves_of).collect();
    }
    match word_at(code, next) {
        // `*` or generic arguments.
        "" => vec![Import { at, names }],
        name => leaves(code, next + name.len(), step(names, name)),
    }
}

/// The offset of each item in the group that opens at `open`. The last may be empty.
fn group_items(code: &str, open: usize) -> Vec<usize> {
    let (mut depth, mut starts) = (0, Vec::new());
    for (at, byte) in code[..block_end(code, open)].bytes().enumerate().skip(open) {
        depth += i32::from(byte == b'{') - i32::from(byte == b'}');
        if depth == 1 && matches!(byte, b'{' | b',') {
            let blanks = code[at + 1..].len() - code[at + 1..].trim_start().len();
            starts.push(at + 1 + blanks);
        }
    }
    starts
}

fn word_at(code: &str, at: usize) -> &str {
    let rest = &code[at..];
    &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())]
}

mod proof {
    use super::{Source, imports, module};

    /// The paths in `text`, in order.
    fn paths(path: &str, text: &str) -> Vec<String> {
        imports(&Source::new(path, text)).iter().map(|import| import.names.join("::")).collect()
    }

    #[test]
    fn a_path_is_read_from_the_root_of_the_crate() {
        let text = "use crate::a::B; use super::c; use self::d::*; use super::super::e; pub use countersign::f as g;";
        assert_eq!(paths("src/x/y.rs", text), ["a::B", "x::c", "x::y::d", "e", "f"]);
        assert_eq!(paths("src/x/mod.rs", "use super::c; use self::d::E;"), ["c", "x::d::E"]);
    }

    #[test]
    fn every_item_of_a_group_is_a_path() {
        let text = "use crate::{\n    a::{self, b, c::{D, E}},\n    f,\n};\nuse super::{self as x, g::*};";
        let found = paths("src/x/y.rs", text);
        assert_eq!(found, ["a", "a::b", "a::c::D", "a::c::E", "f", "x", "x::g"]);
        let source = Source::new("src/x/y.rs", text);
        let lines: Vec<_> = imports(&source).iter().map(|import| source.line(import.at)).collect();
        assert_eq!(lines, [2, 2, 2, 2, 3, 5, 5]);
    }

    #[test]
    fn a_path_in_an_expression_is_read() {
        let text = "fn f(x: &crate::a::A) { super::b::c::<u8>(self.d, Self::e); std::mem::take(x) }";
        assert_eq!(paths("src/x/y.rs", text), ["a::A", "x::b::c"]);
    }

    #[test]
    fn a_child_module_begins_a_path_in_its_parent_only() {
        let text = "mod child;\npub use child::A;\nfn f() { child::b(); other::child::c() }";
        assert_eq!(paths("src/x/mod.rs", text), ["x::child::A", "x::child::b"]);
        assert!(paths("src/x/y.rs", "use child::A;").is_empty());
        let text = "mod child; use crate::{child::A}; mod m { fn f() { child::b() } }";
        assert_eq!(paths("src/x/mod.rs", text), ["child::A"]);
    }

    #[test]
    fn an_imported_module_begins_a_path_where_it_is_imported_only() {
        let text = "use crate::a::{b, c as d};\nfn f() { b::e(); c::e(); d::e() }\nmod m { fn f() { b::e() } }";
        assert_eq!(paths("src/x.rs", text), ["a::b", "a::c", "a::b::e", "a::c::e"]);
        assert_eq!(paths("src/x.rs", "fn f() { crate::a::http(); http::get() }"), ["a::http"]);
    }

    #[test]
    fn an_inline_module_is_one_level_deeper() {
        let text = "mod m { use super::a; use super::super::b; mod n { use super::super::c; use self::d; } }";
        assert_eq!(paths("src/x/y.rs", text), ["x::y::a", "x::b", "x::y::c", "x::y::m::n::d"]);
    }

    #[test]
    fn a_declaration_and_a_visibility_are_no_paths() {
        let text = "pub mod a; pub(crate) fn f(self) {} pub(in crate::b) fn g() {} // crate::c\nlet d = \"crate::d\";";
        assert!(paths("src/x.rs", text).is_empty());
    }

    #[test]
    fn a_file_defines_the_module_that_its_path_names() {
        assert_eq!(module("src/http/reply.rs"), ["http", "reply"]);
        assert_eq!(module("src/http/mod.rs"), ["http"]);
        assert!(module("src/lib.rs").is_empty());
    }
}
