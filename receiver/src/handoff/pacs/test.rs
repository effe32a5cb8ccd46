//! What a PACS can do, one line each.

use std::sync::Arc;

use karez_dimse::scu::{Association, Contexts};
use karez_dimse::uid::{
    CR_STORAGE, CT_STORAGE, DX_STORAGE, EXPLICIT_LE, IMPLICIT_LE, MR_STORAGE, SC_STORAGE,
};
use karez_dimse::{ContextRefusal, Error};
use karez_dimse::{Identifier, Status, Uid};
use karez_host::env::BoxStream;

use super::pool::Pool;
use super::{commit, words};
use crate::handoff::{Ability, Port};

const CLASSES: [(&str, &str); 5] = [
    ("CT", CT_STORAGE),
    ("MR", MR_STORAGE),
    ("CR", CR_STORAGE),
    ("DX", DX_STORAGE),
    ("SC", SC_STORAGE),
];
const SYNTAXES: [(&str, &str); 2] = [("explicit", EXPLICIT_LE), ("implicit", IMPLICIT_LE)];
/// A UID under which nothing can be: its root is ours to make up (PS3.5 B.2).
const NOTHING: &str = "2.25.1";

/// Tries everything that a hand-off needs.
pub(super) async fn test(pool: &Arc<Pool>, port: Port) -> Vec<Ability> {
    let stream = pool.env().connect_stream(&pool.peer().at).await;
    let stream = stream.map_err(|error| {
        let error = Error::Connect(error.kind());
        words::unreachable(pool.peer(), &error).to_string()
    });
    let tcp = stream.as_ref().map(|_| None).map_err(String::clone);
    let mut there = tcp.is_ok();
    let mut abilities = vec![ability("tcp", tcp)];
    if let (true, Ok(stream)) = (pool.peer().tls.is_some(), stream) {
        let secured = pool.secure(stream).await.map(|_| None);
        there = secured.is_ok();
        abilities.push(ability("tls", secured.map_err(|error| error.to_string())));
    }
    let opened = match there {
        true => open(pool).await,
        false => Err("not tried without a connection".into()),
    };
    let mut association = match opened {
        Ok(association) => association,
        Err(why) => {
            let tried = ["echo", "contexts", "find", "commitment"];
            abilities.extend(tried.map(|name| ability(name, Err(why.clone()))));
            return abilities;
        }
    };
    abilities.push(ability("contexts", contexts(&association)));
    abilities.push(ability("echo", echo(&mut association).await));
    abilities.push(ability("find", find(pool, &mut association).await));
    if let Err(error) = association.release().await {
        tracing::debug!(%error, "the test's association did not end in good order");
    }
    abilities.push(ability("commitment", commitment(pool, &port).await));
    abilities
}

fn ability(name: &'static str, result: Result<Option<String>, String>) -> Ability {
    let (note, fault) = match result {
        Ok(note) => (note, None),
        Err(fault) => (None, Some(fault)),
    };
    Ability { name, fault, note }
}

async fn open(pool: &Arc<Pool>) -> Result<Association<BoxStream>, String> {
    let mut contexts = Contexts::new();
    let added = contexts.add_echo().and_then(|()| contexts.add_find());
    added.map_err(|error| error.to_string())?;
    for (_, class) in CLASSES {
        for (_, syntax) in SYNTAXES {
            let added = contexts.add(&Uid::new(class), &Uid::new(syntax));
            added.map_err(|error| error.to_string())?;
        }
    }
    let opened = pool.open(&contexts).await;
    opened.map_err(|error| words::unreachable(pool.peer(), &error).to_string())
}

fn contexts(association: &Association<BoxStream>) -> Result<Option<String>, String> {
    let mut refused = Vec::new();
    for (class, class_uid) in CLASSES {
        for (syntax, syntax_uid) in SYNTAXES {
            let accepted = association.accepts(&Uid::new(class_uid), &Uid::new(syntax_uid));
            if let Err(why) = accepted {
                refused.push((class, syntax, why));
            }
        }
    }
    let said =
        |(class, syntax, why): &(&str, &str, ContextRefusal)| format!("{class} {syntax} ({why})");
    let list: Vec<String> = refused.iter().map(said).collect();
    match refused.len() {
        0 => Ok(None),
        all if all == CLASSES.len() * SYNTAXES.len() => Err(format!(
            "it takes none of the usual images: {}. Let its administrator allow storage for us",
            list.join(", ")
        )),
        _ => Ok(Some(format!(
            "such instances will be parked: {}",
            list.join(", ")
        ))),
    }
}

async fn echo(association: &mut Association<BoxStream>) -> Result<Option<String>, String> {
    match association.echo().await {
        Ok(answer) if answer.status == Status::SUCCESS => Ok(None),
        Ok(answer) => Err(format!("it answers C-ECHO with {}", answer.status)),
        Err(error) => Err(format!("it does not answer C-ECHO: {error}")),
    }
}

async fn find(
    pool: &Arc<Pool>,
    association: &mut Association<BoxStream>,
) -> Result<Option<String>, String> {
    if let Some(risk) = pool.peer().risk() {
        return Ok(Some(format!("switched off (find=no): {risk}")));
    }
    let nothing = Uid::new(NOTHING);
    let question = Identifier::image(&nothing, &nothing, &nothing);
    match association.find(&question).await {
        Ok(found) if found.status == Status::SUCCESS => Ok(None),
        Ok(found) => Err(words::evasive(pool.peer(), found.status).to_string()),
        Err(error) => Err(words::silent(pool.peer(), &error).to_string()),
    }
}

async fn commitment(pool: &Arc<Pool>, port: &Port) -> Result<Option<String>, String> {
    let instead = match pool.peer().find {
        true => "whether it keeps an instance is asked by C-FIND instead",
        false => "and it is not asked by C-FIND: nothing will count as committed",
    };
    if !pool.peer().commitment {
        return Ok(Some(format!("switched off (commitment=no); {instead}")));
    }
    match port {
        Port::Off => {
            return Ok(Some(format!(
                "not used: set dicom.listen and have the PACS register {} with this hub's host and \
                 that port; {instead}",
                pool.peer().calling
            )));
        }
        Port::Lost(why) => return Err(format!("the hub's own port cannot be had: {why}")),
        Port::Open(_) => {}
    }
    match commit::offered(pool).await {
        Ok(()) => Ok(Some(
            "offered; whether its reports arrive shows in the status".into(),
        )),
        Err(Error::ContextNotAccepted(_)) => {
            Ok(Some(format!("the PACS does not offer it; {instead}")))
        }
        Err(error) => Err(words::silent_on_commitment(pool.peer(), &error)),
    }
}
