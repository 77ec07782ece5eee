//! The options of `reelway serve` outside the command line: in `[server]` of the configuration, and in the environment as
//! `REELWAY__SERVER__NAME`. They are called as on the command line, with `_` for `-`, and mean the same: what stands there is put behind the
//! arguments, where these do not say it. So the command line goes before the environment, and that before the file.

use std::{collections::BTreeMap, env, ffi::OsString, fmt::Write, fs, path::Path};

use anyhow::{Context, anyhow, bail};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, error::ErrorKind, parser::ValueSource};
use serde::Deserialize;
use toml::{Spanned, Value};

use super::serve::Serve;
use crate::config::environment;

/// What is no setting: where the others are, and what only asks.
const NONE: [&str; 3] = ["config", "help", "version"];

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    server: BTreeMap<Spanned<String>, Value>,
}

/// A setting: where it stands, its name, what it is set to.
struct Setting {
    place: String,
    name: String,
    value: Value,
}

/// `given`, the arguments of `serve` that were understood as `matches`, with the settings of the file that they name and of the environment.
pub(super) fn complete(given: Vec<OsString>, matches: &ArgMatches) -> anyhow::Result<Vec<OsString>> {
    let mut arguments = given;
    let file = matches.get_one::<std::path::PathBuf>("config");
    for setting in settings(file.map(std::path::PathBuf::as_path), env::vars())? {
        let more = setting.arguments()?; // an error where there is no such option, of which no source could be asked
        if matches.value_source(&setting.name) != Some(ValueSource::CommandLine) {
            arguments.extend(more.into_iter().map(OsString::from));
        }
    }
    Ok(arguments)
}

/// The options of this process as they are now: of its command line, of the environment, and of the file as it stands.
pub(super) fn read() -> anyhow::Result<ArgMatches> {
    let given: Vec<OsString> = env::args_os().collect();
    let parse = |all: &[OsString]| {
        let mut matches = super::command().try_get_matches_from(all)?;
        matches.remove_subcommand().map(|(_, serve)| serve).context("this is no server")
    };
    parse(&complete(given.clone(), &parse(&given)?)?)
}

/// The settings that are another in `now` than they were in `before`.
pub(super) fn changed(before: &ArgMatches, now: &ArgMatches) -> Vec<String> {
    let of = |matches: &ArgMatches, name: &str| matches.get_raw(name).map(|values| values.map(OsString::from).collect::<Vec<_>>());
    let names =
        options().get_arguments().map(|arg| arg.get_id().to_string()).filter(|name| !NONE.contains(&name.as_str())).collect::<Vec<_>>();
    names.into_iter().filter(|name| of(before, name) != of(now, name)).collect()
}

/// An error for settings of the file and of the environment that no server can have.
pub(super) fn check(file: &Path) -> anyhow::Result<()> {
    settings(Some(file), env::vars())?.iter().try_for_each(|setting| setting.arguments().map(drop))
}

/// The table `[server]` with each setting, what it says and what it is by default.
pub(super) fn reference() -> String {
    let mut text = String::from("[server]\n");
    for arg in options().get_arguments().filter(|arg| !NONE.contains(&arg.get_id().as_str())) {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let default = arg.get_default_values().first().and_then(|value| value.to_str());
        let shown = match (arg.get_action(), default) {
            (ArgAction::SetTrue, _) => "false".to_owned(),
            (_, Some(default)) => default.parse::<i64>().map_or_else(|_| format!("\"{default}\""), |number| number.to_string()),
            _ => value_name(arg),
        };
        let choices: Vec<String> = arg.get_possible_values().iter().map(|value| format!("\"{}\"", value.get_name())).collect();
        let choices = if choices.is_empty() || is_flag(arg) { String::new() } else { format!(": {}", choices.join(" or ")) };
        let _ = writeln!(text, "# {help}{choices}\n# {} = {shown}", arg.get_id());
    }
    text
}

fn value_name(arg: &Arg) -> String {
    let name = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string).unwrap_or_default();
    if matches!(arg.get_action(), ArgAction::Append) { format!("[\"{name}\", ...]") } else { format!("\"{name}\"") }
}

fn is_flag(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

/// The options of `serve`.
fn options() -> Command {
    Serve::augment_args(Command::new("serve").disable_help_flag(true))
}

/// The settings of the file, but for those that `variables` have too, and these.
fn settings(file: Option<&Path>, variables: impl Iterator<Item = (String, String)>) -> anyhow::Result<Vec<Setting>> {
    let mut found = match file {
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| format!("cannot read the configuration {}", path.display()))?;
            in_file(&text, &path.display().to_string())
        }
        None => Vec::new(),
    };
    for (place, steps, value) in environment::settings(variables) {
        if let [table, name] = steps.as_slice()
            && table == "server"
        {
            found.retain(|setting| setting.name != *name);
            found.push(Setting { place, name: name.clone(), value });
        }
    }
    Ok(found)
}

/// None of a file that is no TOML: the rest of the configuration says what is wrong with it.
fn in_file(text: &str, name: &str) -> Vec<Setting> {
    let Ok(file) = toml::from_str::<File>(text) else { return Vec::new() };
    let line = |key: &Spanned<String>| 1 + text.get(..key.span().start).unwrap_or_default().matches('\n').count();
    let setting =
        |(key, value): (Spanned<String>, Value)| Setting { place: format!("{name}: line {}", line(&key)), name: key.into_inner(), value };
    file.server.into_iter().map(setting).collect()
}

impl Setting {
    /// As arguments of the command line. An error where there is no such option, or it cannot be set so.
    fn arguments(&self) -> anyhow::Result<Vec<String>> {
        let Self { place, name, value } = self;
        let command = options();
        let found = command.get_arguments().find(|arg| arg.get_id() == name.as_str() && !NONE.contains(&name.as_str()));
        let Some(arg) = found else {
            bail!("{place}: unknown field `{name}`: [server] has the options of `reelway serve`, as `max_requests`")
        };
        let long = arg.get_long().unwrap_or_default();
        let texts = match value {
            Value::Boolean(on) if is_flag(arg) => return Ok(if *on { vec![format!("--{long}")] } else { Vec::new() }),
            Value::Array(values) if matches!(arg.get_action(), ArgAction::Append) => values.iter().map(text).collect(),
            value => text(value).filter(|_| !is_flag(arg)).map(|text| vec![text]),
        };
        let Some(texts) = texts else { bail!("{place}: {name} cannot be set to a value of this kind") };
        let arguments: Vec<String> = texts.into_iter().map(|text| format!("--{long}={text}")).collect();
        match command.clone().no_binary_name(true).try_get_matches_from(&arguments) {
            // What goes together is seen when all are there.
            Err(error) if error.kind() != ErrorKind::MissingRequiredArgument => {
                let said = error.to_string();
                let said = said.lines().next().unwrap_or_default().trim_start_matches("error: ");
                Err(anyhow!("{place}: {said}"))
            }
            _ => Ok(arguments),
        }
    }
}

/// A value as it stands on a command line.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(text: &str, variables: &[(&str, &str)]) -> anyhow::Result<Vec<String>> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("a.toml");
        fs::write(&file, text)?;
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let all = settings(Some(&file), variables)?.iter().map(Setting::arguments).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(all.concat())
    }

    #[test]
    fn settings_are_options() -> anyhow::Result<()> {
        let text = "[server]\nmax_requests = 7\nhttp = \"localhost:9\"\nuploads = true\nacme = [\"a.example\", \"b.example\"]\ndrain = \"3s\"\n[live]\nsegment = \"1s\"\n";
        let expected = ["--acme=a.example", "--acme=b.example", "--drain=3s", "--http=localhost:9", "--max-requests=7", "--uploads"];
        assert_eq!(arguments(text, &[])?, expected);
        let variables = [("REELWAY__SERVER__MAX_REQUESTS", "8"), ("REELWAY__SERVER__UPLOADS", "false"), ("REELWAY__LIVE__SEGMENT", "2s")];
        assert_eq!(arguments(text, &variables)?[4..], ["--max-requests=8"]);
        assert_eq!(arguments("[server]\nuploads = false\ntls_cert = \"a.pem\"\n", &[])?, ["--tls-cert=a.pem"]);
        Ok(())
    }

    #[test]
    fn errors_tell_where() {
        for (text, variables, told) in [
            ("\n[server]\nmax_request = 7\n", &[][..], "a.toml: line 3: unknown field `max_request`"),
            ("[server]\nconfig = \"b.toml\"\n", &[], "a.toml: line 2: unknown field `config`"),
            ("[server]\n\nmax_requests = \"many\"\n", &[], "a.toml: line 3: invalid value 'many' for '--max-requests <N>'"),
            ("[server]\nmax_requests = [7]\n", &[], "a.toml: line 2: max_requests cannot be set"),
            ("[server]\nuploads = \"yes\"\n", &[], "a.toml: line 2: uploads cannot be set"),
            ("[server]\ndrain = \"soon\"\n", &[], "a.toml: line 2: invalid value 'soon' for '--drain <DURATION>'"),
            ("[server]\ncongestion = \"reno\"\n", &[], "a.toml: line 2: invalid value 'reno' for '--congestion <NAME>'"),
            ("", &[("REELWAY__SERVER__DRAIN", "soon")], "REELWAY__SERVER__DRAIN: invalid value 'soon'"),
            ("", &[("REELWAY__SERVER__DRAINS", "1s")], "REELWAY__SERVER__DRAINS: unknown field `drains`"),
        ] {
            let error = format!("{:#}", arguments(text, variables).unwrap_err());
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn every_option_is_told_with_what_it_is() {
        let text = reference();
        for told in [
            "# listen = \"127.0.0.1:8443\"",
            "# max_requests = 16384",
            ": \"bbr\" or \"cubic\"\n# congestion = \"",
            "# uploads = false",
            "# tls_cert = [\"FILE\", ...]",
            "# drain = \"10s\"",
        ] {
            assert!(text.contains(told), "{told}: {text}");
        }
        assert!(!text.contains("config ="), "{text}");
    }
}
