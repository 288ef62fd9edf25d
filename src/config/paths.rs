//! What the configuration points at: files that must be there, directories that must be writable.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;

use zeroize::Zeroizing;

use super::show::shown_path;
use super::{Config, ConfigError, DatabaseConfig, Secret};

impl Config {
    /// Checks what the configuration points at: that the database's directory (at the first start the token file's, too)
    /// exists and can be written to, that an existing database can be opened for writing, that the master key can be read.
    pub fn check_paths(&self) -> Result<(), ConfigError> {
        check_writable("database.path", &self.database.path)?;
        match &self.bootstrap.token_file {
            // Written by the first start only: a later one does not fail for want of its directory.
            Some(path) if !self.database.path.exists() => check_writable("bootstrap.token_file", path)?,
            _ => {}
        }
        self.database.load_master_key().map(drop)
    }
}

impl DatabaseConfig {
    /// The master key: the variable's, else the content of `master_key_file`, else none; without white space around it.
    pub fn load_master_key(&self) -> Result<Option<Secret>, ConfigError> {
        if let Some(key) = &self.master_key {
            return Ok(Some(Secret::new(key.expose().trim())));
        }
        let Some(path) = &self.master_key_file else {
            return Ok(None);
        };
        let problem = |problem: String| ConfigError::Path {
            setting: "database.master_key_file",
            path: shown_path(path),
            problem,
        };
        let text = fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(|e| problem(format!("cannot be read ({e}); name a file this user may read")))?;
        match text.trim() {
            "" => Err(problem("is empty; put the key in it, or leave the setting empty".into())),
            key => Ok(Some(Secret::new(key))),
        }
    }
}

/// Checks that a file in this place could be written, by its directory and by itself if it is there.
fn check_writable(setting: &'static str, path: &Path) -> Result<(), ConfigError> {
    let problem = |problem: String| ConfigError::Path { setting, path: shown_path(path), problem };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !parent.is_dir() {
        return Err(problem(format!(
            "its directory {} does not exist; create it or choose another",
            shown_path(parent)
        )));
    }
    if path.is_dir() {
        return Err(problem("is a directory; name a file in it".to_owned()));
    }
    if path.exists() {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        opened.map_err(|e| problem(format!("cannot be opened for writing ({e}); let this user write to it")))?;
    }
    let probe = parent.join(format!(".keygen-lite-check-{}", std::process::id()));
    let created = match OpenOptions::new().write(true).create_new(true).open(&probe) {
        // Left behind by a process that was killed here; removing it proves as much.
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        created => created.map(drop),
    };
    created.and_then(|()| fs::remove_file(&probe)).map_err(|e| {
        problem(format!("its directory {} is not writable ({e}); let this user write to it", shown_path(parent)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{env, message};

    #[test]
    fn files_and_paths() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("k.toml");
        let load = |file: &Path, vars: &[(&str, &str)]| Config::load(Some(file), env(vars).into_iter(), &[]);
        assert!(message(load(&file, &[])).contains("k.toml: the configuration file cannot be read: "));
        let missing = env(&[("KEYGEN_LITE_CONFIG", "/no/such.toml"), ("HOME", "/")]);
        let error = message(Config::load(None, missing.into_iter(), &[]));
        assert!(error.starts_with("/no/such.toml: ") && error.contains("with KEYGEN_LITE_CONFIG"), "{error}");
        assert!(message(load(dir.path(), &[])).contains("cannot be read"));

        let (database, key) = (dir.path().join("k.db"), dir.path().join("key"));
        let text =
            |database: &Path, key: &Path| format!("[database]\npath = {:?}\nmaster_key_file = {:?}\n", database, key);
        fs::write(&file, text(&database, &key)).unwrap();
        let config = load(&file, &[("KEYGEN_LITE_CONFIG", "/no/such.toml")]).unwrap();
        assert!(config.check_paths().unwrap_err().to_string().starts_with("database.master_key_file: "));
        fs::write(&key, " \n").unwrap();
        assert!(config.check_paths().unwrap_err().to_string().contains(" is empty; "));
        fs::write(&key, "the key\n").unwrap();
        config.check_paths().unwrap();
        assert_eq!(config.database.load_master_key().unwrap().unwrap().expose(), "the key");
        let wins = load(&file, &[("KEYGEN_LITE_MASTER_KEY", "other")]).unwrap();
        assert_eq!(wins.database.load_master_key().unwrap().unwrap().expose(), "other");

        let token_file = [("KEYGEN_LITE_BOOTSTRAP_TOKEN_FILE", "/no/such/token")];
        let config = load(&file, &token_file).unwrap();
        assert!(config.check_paths().unwrap_err().to_string().starts_with("bootstrap.token_file: /no/such/token: "));
        fs::write(&database, "").unwrap();
        config.check_paths().unwrap();
        fs::remove_file(&database).unwrap();

        fs::write(&file, text(&dir.path().join("no/k.db"), &key)).unwrap();
        assert!(load(&file, &[]).unwrap().check_paths().unwrap_err().to_string().contains("does not exist; create it"));
        fs::write(&file, text(dir.path(), &key)).unwrap();
        assert!(load(&file, &[]).unwrap().check_paths().unwrap_err().to_string().contains("is a directory; "));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "the probe is removed");
    }
}
