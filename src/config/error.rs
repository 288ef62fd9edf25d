//! Why there is no configuration, and where that was found.

use std::fmt;

/// Where a value was given.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// Nowhere: it is the default.
    Default,
    /// In the configuration file.
    File {
        /// The file, as it was named.
        name: String,
        /// The line, from 1.
        line: usize,
    },
    /// In this variable.
    Variable(String),
    /// In a flag.
    CommandLine,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Place::Default => f.write_str("default"),
            Place::File { name, line } => write!(f, "{name}:{line}"),
            Place::Variable(name) => f.write_str(name),
            Place::CommandLine => f.write_str("command line"),
        }
    }
}

/// Why there is no configuration. Displays as one line that says where, what, and what to do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: the configuration file cannot be read: {problem}; {advice}")]
    File {
        /// The file.
        path: String,
        /// The system's reason.
        problem: String,
        /// What to do.
        advice: String,
    },
    /// The file is no TOML.
    #[error("{place}: not valid TOML at column {column}: {problem}; correct this line")]
    Syntax {
        /// File and line.
        place: Place,
        /// Column, from 1.
        column: usize,
        /// What the parser says.
        problem: String,
    },
    /// A key or section that does not exist.
    #[error("{place}: unknown setting {name}; {hint}")]
    UnknownKey {
        /// Where it stands.
        place: Place,
        /// The name as written, with its section.
        name: String,
        /// The nearest setting, or the known ones.
        hint: String,
    },
    /// A `KEYGEN_LITE_*` variable that does not exist.
    #[error("{name}: unknown variable; did you mean {nearest}? If not, unset it")]
    UnknownVariable {
        /// The variable.
        name: String,
        /// The known variable most like it.
        nearest: String,
    },
    /// A `KEYGEN_LITE_*` variable that is not Unicode.
    #[error("{name}: the variable is not UTF-8; set it to UTF-8 text")]
    NotUnicode {
        /// The variable.
        name: String,
    },
    /// A value of the wrong type or form.
    #[error("{place}: {setting}{shown}: {problem}")]
    Value {
        /// Where it stands.
        place: Place,
        /// The setting, such as `server.listen`.
        setting: String,
        /// ` = ` and the value as written, nothing for a secret.
        shown: String,
        /// What it must be.
        problem: String,
    },
    /// A file or directory that a setting names and that cannot be used.
    #[error("{setting}: {path}: {problem}")]
    Path {
        /// The setting.
        setting: &'static str,
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
}
