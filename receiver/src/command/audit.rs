//! `audit`: who did what.

use std::path::Path;

use karez_host::audit::as_text;
use karez_host::calendar::day;
use karez_host::cli::Common;
use karez_host::{Env, Failure, RealEnv, status as show};
use karez_store::{OpenMode, read_whole};
use serde_json::Value;

use super::args::AuditVerb;
use super::{Command, ask};

/// Bytes of a file of witnesses.
const WITNESSES_FILE: usize = 64 << 20;
/// Heads that travel in one request.
const AT_ONCE: usize = 400;

pub(super) fn audit(common: &Common, verb: AuditVerb) -> Result<(), Failure> {
    match verb {
        AuditVerb::List(args) => {
            let from = since(args.since.as_deref())?;
            let lines = lines(common, false)?;
            let shown = lines
                .into_iter()
                .filter(|line| line["wall"].as_i64() >= from);
            let shown: Vec<Value> = shown.collect();
            match args.json {
                true => show::print_json(&shown),
                false => show::print(&as_text(&shown)),
            }
        }
        AuditVerb::Verify { witnesses, json } => verify(common, &witnesses, json),
        AuditVerb::Export { to, since: from } => export(common, &to, from.as_deref()),
    }
}

/// The first moment that counts; none for all.
fn since(text: Option<&str>) -> Result<Option<i64>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let first = day(text).ok_or_else(|| {
        Failure::usage(format!("`{text}` is no day")).fix("Write it as YYYY-MM-DD")
    })?;
    Ok(Some(first))
}

fn lines(common: &Common, xml: bool) -> Result<Vec<Value>, Failure> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let page = ask::ask(common, Command::AuditLines { after, xml })?;
        all.extend(page["lines"].as_array().into_iter().flatten().cloned());
        after = page["last"].as_u64().unwrap_or(after);
        if page["more"] != true {
            return Ok(all);
        }
    }
}

fn export(common: &Common, to: &Path, from: Option<&str>) -> Result<(), Failure> {
    let from = since(from)?;
    let (plain, messages) = (lines(common, false)?, lines(common, true)?);
    let mut text = String::new();
    let mut count = 0;
    for (line, message) in plain.iter().zip(&messages) {
        if line["wall"].as_i64() >= from {
            text += message.as_str().unwrap_or_default();
            text.push('\n');
            count += 1;
        }
    }
    let env = RealEnv::new().map_err(|e| Failure::new(e.to_string()))?;
    let unwritten = |e: std::io::Error| {
        Failure::new(format!("the file cannot be written: {e}"))
            .at(to.display())
            .fix("Give the path of a new file")
    };
    let file = env
        .disk()
        .open(to, OpenMode::CreateNew)
        .map_err(unwritten)?;
    file.write_at(0, text.as_bytes()).map_err(unwritten)?;
    file.sync().map_err(unwritten)?;
    show::print(&format!(
        "{count} messages are written to {}\n",
        to.display()
    ))
}

fn verify(common: &Common, files: &[std::path::PathBuf], json: bool) -> Result<(), Failure> {
    let mut witnesses = Vec::new();
    for path in files {
        witnesses.extend(seen(path)?);
    }
    let mut answer = ask::ask(
        common,
        Command::AuditVerify {
            witnesses: Vec::new(),
        },
    )?;
    let mut witnessed = answer["checked"]["witnessed"].as_u64().unwrap_or(0);
    for some in witnesses.chunks(AT_ONCE) {
        let some = some.to_vec();
        let next = ask::ask(common, Command::AuditVerify { witnesses: some })?;
        witnessed = witnessed.max(next["checked"]["witnessed"].as_u64().unwrap_or(0));
        if answer["whole"] == true {
            answer = next;
        }
    }
    if json {
        show::print_json(&answer)?;
    }
    karez_host::audit::verdict(&answer, json)
}

/// Heads that a clinic has seen, from a file of its `audit witnesses`.
fn seen(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    let unread = |why: String| {
        Failure::usage(format!("the witnesses cannot be read: {why}"))
            .at(path.display())
            .fix("Give a file that `karez-sender audit witnesses` printed")
    };
    let env = RealEnv::new().map_err(|e| Failure::new(e.to_string()))?;
    let bytes = read_whole(&*env.disk(), path, WITNESSES_FILE);
    let bytes = bytes.map_err(|e| unread(e.to_string()))?;
    let bytes = bytes.ok_or_else(|| unread("there is no such file".into()))?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|e| unread(e.to_string()))?;
    let who = value["clinic"].as_str().unwrap_or("a clinic").to_owned();
    let heads = value["heads"]
        .as_array()
        .ok_or_else(|| unread("it has no heads".into()))?;
    let heads = heads.iter().filter_map(Value::as_str);
    Ok(heads
        .map(|head| (format!("clinic {who}"), head.to_owned()))
        .collect())
}
