//! No file of `src/` imports a file that imports it, directly or through other files.
//!
//! A file imports the file that defines the deepest module on a path. A path through a re-export counts as an import of
//! the file with the `pub use`: to follow it would need name resolution. `mod name;` and test code do not count.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::imports::{imports, module};
use super::rust::Source;
use super::{assert_none, tree};

/// All files that import each other directly or through other files: a strongly connected component of the graph.
type Cycle = BTreeSet<String>;

/// For each file, the files that it imports, each with the line of the first import.
struct Graph(BTreeMap<String, BTreeMap<String, usize>>);

impl Graph {
    fn new(sources: &[Source]) -> Self {
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
                if let Some(to) = target(&import.names).filter(|to| *to != file.path) {
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

    /// A shortest cycle within `cycle`, as `a:1 -> b:2 -> a` with the import lines.
    fn shortest(&self, cycle: &Cycle) -> String {
        let imports = cycle.iter().flat_map(|from| self.imported(from).map(move |to| (from, to)));
        let way_back = |(from, to): (&String, &String)| Some([vec![from.clone()], self.path(to, from)?].concat());
        let files = imports.filter_map(way_back).min_by_key(Vec::len).unwrap_or_default();
        let steps = files.windows(2).map(|pair| format!("{}:{} -> ", pair[0], self.0[&pair[0]][&pair[1]]));
        steps.chain(files.last().cloned()).collect()
    }

    fn violations(&self) -> Vec<String> {
        self.cycles().iter().map(|cycle| format!("remove one of these imports: {}", self.shortest(cycle))).collect()
    }
}

#[test]
fn no_file_is_in_an_import_cycle() {
    assert_none("import cycles", &Graph::new(&tree::sources()).violations());
}

mod proof {
    use super::{Graph, Source};

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<_> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        Graph::new(&sources).violations()
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
}
