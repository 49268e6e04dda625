//! Templates of e-mails and pages: built in, or replaced by the operator's own files.
//!
//! Each file is read once. Errors name the file and the line. This module must not depend on the content of a template.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use minijinja::value::Value;
use minijinja::{Environment, UndefinedBehavior};

/// Why a template cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The file exists but cannot be read.
    #[error(
        "cannot read the template {}: {problem}; make it readable, or remove it to use the built-in one",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        problem: io::Error,
    },
    /// The template is invalid.
    #[error("invalid template {file}, line {line}: {problem}; correct it, or remove it to use the built-in one")]
    Broken {
        /// The path of the file, or the name of a built-in template.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong in this line.
        problem: String,
    },
}

/// Templates that may include each other, ready to be rendered. Templates named `*.html` escape their values.
#[derive(Debug)]
pub struct TemplateSet {
    environment: Environment<'static>,
    /// The operator's files that replace built-in templates, by template name.
    files: HashMap<&'static str, PathBuf>,
}

impl TemplateSet {
    /// Loads the built-in templates (name and source). A file of the same name in `folder` replaces the built-in one.
    pub fn load(folder: Option<&Path>, built_in: &[(&'static str, &'static str)]) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut set = Self { environment, files: HashMap::new() };
        for (name, built_in) in built_in {
            let path = folder.map(|folder| folder.join(name));
            let source = match path.as_ref().map(fs::read_to_string) {
                Some(Ok(replacement)) => {
                    set.files.extend(path.map(|path| (*name, path)));
                    replacement
                }
                Some(Err(problem)) if problem.kind() != io::ErrorKind::NotFound => {
                    return Err(TemplateError::Unreadable { path: path.unwrap_or_default(), problem });
                }
                _ => (*built_in).to_owned(),
            };
            let added = set.environment.add_template_owned(*name, source);
            added.map_err(|error| set.template_error(name, &error, true))?;
        }
        Ok(set)
    }

    /// Returns the operator's file that replaces a built-in template, if there is one.
    pub fn file(&self, name: &str) -> Option<&Path> {
        self.files.get(name).map(PathBuf::as_path)
    }

    /// Renders a template with sample data. The error may quote the data, because a sample contains no secret.
    pub fn render_sample(&self, name: &str, sample: Value) -> Result<(), TemplateError> {
        let text = self.text(name, sample).map_err(|error| self.template_error(name, &error, true))?;
        if text.trim().is_empty() {
            return Err(self.at(name, 1, "the template renders no text".to_owned()));
        }
        Ok(())
    }

    /// Renders a template. The error omits minijinja's detail, because that may quote a secret from the context.
    pub fn render(&self, name: &str, context: Value) -> Result<String, TemplateError> {
        self.text(name, context).map_err(|error| self.template_error(name, &error, false))
    }

    fn text(&self, name: &str, context: Value) -> Result<String, minijinja::Error> {
        self.environment.get_template(name)?.render(context)
    }

    fn template_error(&self, name: &str, error: &minijinja::Error, with_detail: bool) -> TemplateError {
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
