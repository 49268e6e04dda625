//! Templates: built in, and overridden by files of an operator's own. Mails and pages are made of them.
//!
//! It reads each file once, and names the file and the line that is wrong. It must not know what a template says.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use minijinja::value::Value;
use minijinja::{Environment, UndefinedBehavior};

/// Why a template can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The file is there and can't be read.
    #[error("reading the template {}: {problem}; make it readable, or remove it to use the one built in", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        problem: io::Error,
    },
    /// The template is wrong.
    #[error("the template {file}, line {line}: {problem}; mend it, or remove it to use the one built in")]
    Broken {
        /// The file, or the template's name where it is built in.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        problem: String,
    },
}

/// Templates that may refer to each other, ready to be rendered. What ends in `.html` escapes what it is told.
#[derive(Debug)]
pub struct TemplateSet {
    environment: Environment<'static>,
    /// The files that took the place of built-in ones, by template.
    files: HashMap<&'static str, PathBuf>,
}

impl TemplateSet {
    /// Takes what is built in (name and source), and puts the folder's files of the same names in its place.
    pub fn load(folder: Option<&Path>, built_in: &[(&'static str, &'static str)]) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut set = Self { environment, files: HashMap::new() };
        for (name, built_in) in built_in {
            let path = folder.map(|folder| folder.join(name));
            let source = match path.as_ref().map(fs::read_to_string) {
                Some(Ok(own)) => {
                    set.files.extend(path.map(|path| (*name, path)));
                    own
                }
                Some(Err(problem)) if problem.kind() != io::ErrorKind::NotFound => {
                    return Err(TemplateError::Unreadable { path: path.unwrap_or_default(), problem });
                }
                _ => (*built_in).to_owned(),
            };
            let added = set.environment.add_template_owned(*name, source);
            added.map_err(|error| set.broken(name, &error, true))?;
        }
        Ok(set)
    }

    /// The operator's own file that took the place of what is built in, if one did.
    pub fn file(&self, name: &str) -> Option<&Path> {
        self.files.get(name).map(PathBuf::as_path)
    }

    /// Renders a sample, which holds no secret: the error tells all it can.
    pub fn render_sample(&self, name: &str, sample: Value) -> Result<(), TemplateError> {
        let text = self.text(name, sample).map_err(|error| self.broken(name, &error, true))?;
        if text.trim().is_empty() {
            return Err(self.at(name, 1, "it renders nothing".to_owned()));
        }
        Ok(())
    }

    /// Renders a template. What is wrong may quote what it was told, and that holds secrets: the error does not tell.
    pub fn render(&self, name: &str, context: Value) -> Result<String, TemplateError> {
        self.text(name, context).map_err(|error| self.broken(name, &error, false))
    }

    fn text(&self, name: &str, context: Value) -> Result<String, minijinja::Error> {
        self.environment.get_template(name)?.render(context)
    }

    fn broken(&self, name: &str, error: &minijinja::Error, with_detail: bool) -> TemplateError {
        let problem = match error.detail().filter(|_| with_detail) {
            Some(detail) => format!("{}: {detail}", error.kind()),
            None => error.kind().to_string(),
        };
        self.at(error.name().unwrap_or(name), error.line().unwrap_or(1), problem)
    }

    fn at(&self, name: &str, line: usize, problem: String) -> TemplateError {
        let file = self.files.get(name).map_or_else(|| name.to_owned(), |path| path.display().to_string());
        TemplateError::Broken { file, line, problem }
    }
}
