//! Import cycles between the files of `src/`: no new cycle may appear, and those listed in `cycles.txt` are to be
//! removed.
//!
//! A file imports the file that defines the deepest module on a path. A path through a re-export counts as an import of
//! the file with the `pub use`: to follow it would need name resolution. `mod name;` and test code do not count.
//!
//! Two tests, because a parent that uses its submodules closes a large cycle, in which a new one would not be seen: the
//! first counts every import, the second leaves out what a file imports from its own submodules.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;

use super::imports::{imports, module};
use super::rust::Source;
use super::{assert_none, tree};

/// All files that import each other directly or through other files: a strongly connected component of the graph.
type Cycle = BTreeSet<String>;

/// For each file, the files that it imports, each with the line of the first import.
struct Graph(BTreeMap<String, BTreeMap<String, usize>>);

impl Graph {
    fn new(sources: &[Source], counts: impl Fn(&str, &str) -> bool) -> Self {
        let test_files = tree::test_files(sources);
        let is_product = |source: &&Source| source.path.starts_with("src/") && !test_files.contains(&source.path);
        let files: Vec<&Source> = sources.iter().filter(is_product).collect();
        let libraries = files.iter().filter(|file| file.path != "src/main.rs");
        let by_module: BTreeMap<_, _> = libraries.map(|file| (module(&file.path), file.path.as_str())).collect();
        let target = |names: &[String]| (0..=names.len()).rev().find_map(|n| by_module.get(&names[..n]).copied());
        let mut graph = BTreeMap::new();
        for file in &files {
            let imported: &mut BTreeMap<_, _> = graph.entry(file.path.clone()).or_default();
            for import in imports(file).into_iter().filter(|import| !file.is_test(import.at)) {
                if let Some(to) = target(&import.names).filter(|to| *to != file.path && counts(&file.path, to)) {
                    imported.entry(to.to_owned()).or_insert(file.line(import.at));
                }
            }
        }
        Self(graph)
    }

    fn imported<'a>(&'a self, file: &str) -> impl Iterator<Item = &'a String> {
        self.0.get(file).into_iter().flat_map(BTreeMap::keys)
    }

    /// The files on a shortest way from `from` to `to`, both included. None: there is no way.
    fn path(&self, from: &str, to: &str) -> Option<Vec<String>> {
        let (mut seen, mut queue) = (BTreeSet::from([from.to_owned()]), VecDeque::from([vec![from.to_owned()]]));
        while let Some(path) = queue.pop_front() {
            let last = path.last()?;
            if last == to {
                return Some(path);
            }
            for next in self.imported(last).filter(|next| seen.insert((*next).clone())) {
                queue.push_back([path.as_slice(), std::slice::from_ref(next)].concat());
            }
        }
        None
    }

    fn reachable(&self, from: &str) -> BTreeSet<String> {
        let (mut seen, mut todo) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(file) = todo.pop() {
            todo.extend(self.imported(&file).filter(|next| seen.insert((*next).clone())).cloned());
        }
        seen
    }

    fn cycles(&self) -> BTreeSet<Cycle> {
        let reachable: BTreeMap<_, _> = self.0.keys().map(|file| (file, self.reachable(file))).collect();
        let cycle_of = |file: &String| -> Cycle {
            reachable[file].iter().filter(|other| reachable[other].contains(file)).cloned().collect()
        };
        self.0.keys().map(cycle_of).filter(|cycle| !cycle.is_empty()).collect()
    }

    /// A shortest cycle within `cycle` that no entry of the list contains, as `a:1 -> b:2 -> a` with the import lines.
    fn shortest(&self, cycle: &Cycle, listed: &[Cycle]) -> String {
        let is_listed = |a: &String, b: &String| listed.iter().any(|known| known.contains(a) && known.contains(b));
        let imports = cycle.iter().flat_map(|from| self.imported(from).map(move |to| (from, to)));
        let new = imports.filter(|(from, to)| cycle.contains(*to) && !is_listed(from, to));
        let way_back = |(from, to): (&String, &String)| Some([vec![from.clone()], self.path(to, from)?].concat());
        let files = new.filter_map(way_back).min_by_key(Vec::len).unwrap_or_default();
        let steps = files.windows(2).map(|pair| format!("{}:{} -> ", pair[0], self.0[&pair[0]][&pair[1]]));
        steps.chain(files.last().cloned()).collect()
    }

    /// The differences between the cycles of the graph and those of the list.
    fn violations(&self, listed: &[Cycle]) -> Vec<String> {
        let found = self.cycles();
        let new = found.iter().filter(|cycle| !listed.iter().any(|known| cycle.is_subset(known)));
        let new = new.map(|cycle| format!("remove one of these imports: {}", self.shortest(cycle, listed)));
        let smaller = listed.iter().filter(|known| !found.iter().any(|cycle| known.is_subset(cycle)));
        let smaller = smaller.map(|known| {
            let rest: Vec<_> = found.iter().filter(|cycle| cycle.is_subset(known)).map(entry).collect();
            let rest = if rest.is_empty() { "nothing".to_owned() } else { rest.join("\n\n") };
            format!("shrink the list: in tests/tidy/cycles.txt, replace\n{}\nby\n{rest}", entry(known))
        });
        new.chain(smaller).collect()
    }
}

/// A cycle as it is listed: a line for each folder, with its files in order.
fn entry(cycle: &Cycle) -> String {
    let mut folders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (folder, name) in cycle.iter().filter_map(|file| file.rsplit_once('/')) {
        folders.entry(folder).or_default().push(name);
    }
    folders.iter().map(|(folder, names)| format!("{folder}: {}", names.join(" "))).collect::<Vec<_>>().join("\n")
}

/// The cycles under a heading of `cycles.txt`; a blank line ends each.
fn listed(text: &str, heading: &str) -> Vec<Cycle> {
    let lines = text.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| !line.starts_with('['));
    let section = lines.collect::<Vec<_>>().join("\n");
    let files = |line: &str| {
        let (folder, names) = line.split_once(": ").unwrap_or_else(|| panic!("expected FOLDER: FILE …, found {line}"));
        names.split(' ').map(|name| format!("{folder}/{name}")).collect::<Vec<_>>()
    };
    let entries = section.split("\n\n").map(str::trim).filter(|entry| !entry.is_empty());
    let cycles: Vec<Cycle> = entries.clone().map(|text| text.lines().flat_map(files).collect()).collect();
    let right = cycles.iter().map(entry);
    assert_eq!(entries.collect::<Vec<_>>(), right.collect::<Vec<_>>(), "sort the files of {heading}, cycles.txt");
    cycles
}

fn check(heading: &str, counts: impl Fn(&str, &str) -> bool) {
    let text = fs::read_to_string(tree::root().join("tests/tidy/cycles.txt")).expect("cycles.txt is readable");
    let graph = Graph::new(&tree::sources(), counts);
    assert_none(&format!("import cycles, {heading}"), &graph.violations(&listed(&text, heading)));
}

fn is_submodule(of: &str, file: &str) -> bool {
    module(file).starts_with(&module(of))
}

#[test]
fn import_cycles_are_those_listed() {
    check("[all imports]", |_, _| true);
}

#[test]
fn import_cycles_without_imports_from_submodules_are_those_listed() {
    check("[without imports from submodules]", |from, to| !is_submodule(from, to));
}

mod proof {
    use super::{Cycle, Graph, Source, entry, is_submodule, listed};

    fn graph(files: &[(&str, &str)]) -> Graph {
        let sources: Vec<_> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        Graph::new(&sources, |_, _| true)
    }

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        graph(files).violations(&[])
    }

    fn cycle(files: &[&str]) -> Cycle {
        files.iter().map(|file| (*file).to_owned()).collect()
    }

    #[test]
    fn a_cycle_of_two_files_is_reported_with_its_lines() {
        let files = [("src/a.rs", "\nuse crate::b::B;"), ("src/b.rs", "fn f() { crate::a::f() }"), ("src/c.rs", "")];
        assert_eq!(found(&files), ["remove one of these imports: src/a.rs:2 -> src/b.rs:1 -> src/a.rs"]);
    }

    #[test]
    fn a_cycle_of_three_files_is_reported() {
        let files =
            [("src/a.rs", "use crate::{x, b::B};"), ("src/b.rs", "use crate::c;"), ("src/c.rs", "use crate::a::A;")];
        assert_eq!(found(&files), ["remove one of these imports: src/a.rs:1 -> src/b.rs:1 -> src/c.rs:1 -> src/a.rs"]);
    }

    #[test]
    fn a_cycle_through_super_is_reported() {
        let files = [("src/m/a.rs", "use super::b::B;"), ("src/m/b.rs", "mod inner { use super::super::a::A; }")];
        assert_eq!(found(&files).len(), 1);
        let files = [("src/m/mod.rs", "mod a; pub use a::A;"), ("src/m/a.rs", "use super::B;")];
        assert_eq!(found(&files), ["remove one of these imports: src/m/a.rs:1 -> src/m/mod.rs:1 -> src/m/a.rs"]);
    }

    #[test]
    fn a_chain_of_imports_is_no_cycle() {
        let files =
            [("src/m/mod.rs", "mod a; mod b; use a::A;"), ("src/m/a.rs", "use super::b::B;"), ("src/m/b.rs", "")];
        assert!(found(&files).is_empty());
        // The path goes through `m`, but not to the file that defines it.
        let files = [("src/m/mod.rs", "use crate::m::a::A;"), ("src/m/a.rs", "use crate::m::b; use self::x;")];
        assert!(found(&[files.as_slice(), &[("src/m/b.rs", "")]].concat()).is_empty());
    }

    #[test]
    fn a_cycle_in_test_code_is_not_reported() {
        let files = [("src/a.rs", "use crate::b::B;"), ("src/b.rs", "#[cfg(test)]\nmod tests { use crate::a::A; }")];
        assert!(found(&files).is_empty());
        let b = ("src/b.rs", "#[cfg(test)] mod tests; // use crate::a;\nconst A: &str = \"crate::a\";");
        assert!(found(&[("src/a.rs", "use crate::b::B;"), b, ("src/b/tests.rs", "use crate::a::A;")]).is_empty());
    }

    #[test]
    fn a_listed_cycle_is_accepted_and_a_new_member_is_reported() {
        let a = ("src/a.rs", "use crate::b;");
        let known = [cycle(&["src/a.rs", "src/b.rs"])];
        assert!(graph(&[a, ("src/b.rs", "use crate::a;")]).violations(&known).is_empty());
        let found = graph(&[a, ("src/b.rs", "use crate::a;\nuse crate::c;"), ("src/c.rs", "use crate::a;")]);
        let expected = "remove one of these imports: src/b.rs:2 -> src/c.rs:1 -> src/a.rs:1 -> src/b.rs";
        assert_eq!(found.violations(&known), [expected]);
    }

    #[test]
    fn a_listed_cycle_that_is_smaller_or_gone_is_reported() {
        let files = [("src/a.rs", "use crate::b;"), ("src/b.rs", "use crate::a; use crate::c;"), ("src/c.rs", "")];
        let found = graph(&files).violations(&[cycle(&["src/a.rs", "src/b.rs", "src/c.rs"])]);
        assert!(found[0].ends_with("replace\nsrc: a.rs b.rs c.rs\nby\nsrc: a.rs b.rs"), "{found:?}");
        let found = graph(&files[..1]).violations(&[cycle(&["src/a.rs", "src/b.rs"])]);
        assert!(found[0].ends_with("replace\nsrc: a.rs b.rs\nby\nnothing"), "{found:?}");
    }

    #[test]
    fn a_list_is_read_as_it_is_written() {
        let known = cycle(&["src/m/a.rs", "src/m/b.rs", "src/m.rs"]);
        let text = format!("# …\n\n[one]\n{}\n\nsrc: a.rs b.rs\n\n[two]\nsrc: c.rs", entry(&known));
        assert_eq!(listed(&text, "[one]"), [known, cycle(&["src/a.rs", "src/b.rs"])]);
        assert_eq!(listed(&text, "[two]"), [cycle(&["src/c.rs"])]);
    }

    #[test]
    fn a_submodule_is_below_its_parent() {
        assert!(is_submodule("src/m/mod.rs", "src/m/a/b.rs"));
        assert!(!is_submodule("src/m/a.rs", "src/m/ab.rs"));
        assert!(!is_submodule("src/m/a.rs", "src/m/mod.rs"));
    }
}
