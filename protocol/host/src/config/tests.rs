use serde::{Deserialize, Serialize};

use super::table::opened;
use super::*;
use crate::exit::{Code, Failure};
use crate::units::{Period, Rate, Size};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Example {
    name: Option<String>,
    dicom: Dicom,
    link: Link,
    watch: Watch,
    rule: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Dicom {
    listen: String,
    max_associations: u16,
    tls: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Link {
    rate: Rate,
    probe: Period,
    cap: Option<Size>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Watch {
    folders: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rule {
    aet: String,
    class: String,
}

impl Default for Dicom {
    fn default() -> Self {
        Self {
            listen: "0.0.0.0:11112".into(),
            max_associations: 16,
            tls: false,
        }
    }
}

impl Default for Link {
    fn default() -> Self {
        Self {
            rate: Rate(64_000),
            probe: Period::seconds(15),
            cap: None,
        }
    }
}

impl Settings for Example {
    const KEYS: &'static [Key] = &[
        Key::unset("name", "\"Chagai\"", "What the hub calls this clinic."),
        Key::new(
            "dicom.listen",
            "\"0.0.0.0:11112\"",
            "Where scanners send to, ADDRESS:PORT.",
        ),
        Key::new(
            "dicom.max_associations",
            "16",
            "Associations at once, at most.",
        ),
        Key::new("dicom.tls", "false", "Whether scanners must use TLS."),
        Key::new(
            "link.rate",
            "\"64 kbit/s\"",
            "The most that may be sent, bits per second.",
        ),
        Key::new(
            "link.probe",
            "\"15 s\"",
            "How long to be silent before a probe, time.",
        ),
        Key::unset(
            "link.cap",
            "\"10 GiB\"",
            "The most that may be sent in a month, bytes.",
        ),
        Key::new("watch.folders", "[]", "Folders whose files are sent."),
        Key::new("rule[].aet", "\"CT1\"", "The calling AE title."),
        Key::new("rule[].class", "\"stat\"", "The class it gets."),
    ];

    fn check(&self) -> Result<(), Unfit> {
        if self.dicom.max_associations == 0 {
            return Err(Unfit {
                key: "dicom.max_associations",
                message: "at least 1 is needed".into(),
            });
        }
        Ok(())
    }
}

fn from(text: &str) -> Result<Example, ConfigError> {
    load(&Sources {
        file: Some(("config.toml", text)),
        ..Sources::default()
    })
}

fn set(assignments: &[&str]) -> Result<Example, ConfigError> {
    let set: Vec<String> = assignments.iter().map(|s| (*s).to_owned()).collect();
    load(&Sources {
        set: &set,
        ..Sources::default()
    })
}

fn env(name: &str, value: &str) -> Result<Example, ConfigError> {
    load(&Sources {
        env: &[(name.to_owned(), value.to_owned())],
        ..Sources::default()
    })
}

#[test]
fn ten_bad_files_each_get_place_key_and_fix() {
    let cases = [
        (
            "[dicom]\nlistne = \"x\"",
            "unknown key `dicom.listne` (config.toml line 2). The nearest known key is `dicom.listen`",
        ),
        (
            "listen = \"x\"",
            "unknown key `listen` (config.toml line 1). The nearest known key is `dicom.listen`",
        ),
        (
            "\n\n[dicm]\ntls = true",
            "unknown key `dicm.tls` (config.toml line 4). The nearest known key is `dicom.tls`",
        ),
        (
            "[link]\nrate = 64",
            "bad value for `link.rate`: invalid type: integer `64`, expected a rate such as \"64 kbit/s\" (config.toml line 2)",
        ),
        (
            "[link]\nrate = \"64 kb\"",
            "bad value for `link.rate`: \"64 kb\" is not a rate: its unit must be one of bit/s, kbit/s, Mbit/s, Gbit/s",
        ),
        (
            "[dicom]\n\nmax_associations = 70000",
            "bad value for `dicom.max_associations`: invalid value: integer `70000`, expected u16 (config.toml line 3)",
        ),
        (
            "[dicom]\ntls = \"yes\"",
            "bad value for `dicom.tls`: invalid type: string \"yes\", expected a boolean (config.toml line 2)",
        ),
        (
            "dicom = 7",
            "bad value for `dicom`: invalid type: integer `7`, expected struct Dicom (config.toml line 1)",
        ),
        ("[dicom]\nlisten = \"x", "the configuration is not TOML"),
        (
            "[dicom]\ntls = true\ntls = false",
            "duplicate key (config.toml line 3)",
        ),
        (
            "[watch]\nfolders = [\"a\", 2]",
            "bad value for `watch.folders`: invalid type: integer `2`, expected a string (config.toml line 2)",
        ),
        (
            "[[rule]]\naet = \"A\"\n[[rule]]\nclas = \"stat\"",
            "unknown key `rule[].clas` (config.toml line 4). The nearest known key is `rule[].class`",
        ),
        (
            "[dicom]\nmax_associations = 0",
            "bad value for `dicom.max_associations`: at least 1 is needed (config.toml line 2)",
        ),
    ];
    for (text, expected) in cases {
        let failure = Failure::from(from(text).unwrap_err());
        assert_eq!(failure.code, Code::Usage);
        let said = failure.to_string();
        assert!(
            said.contains(expected),
            "{text:?} says {said:?}, not {expected:?}"
        );
    }
}

#[test]
fn the_later_source_wins() {
    let read: Example = load(&Sources {
        file: Some((
            "config.toml",
            "[dicom]\nmax_associations = 1\nlisten = \"file\"\ntls = true",
        )),
        env: &[
            ("KAREZ_DICOM_MAX_ASSOCIATIONS".into(), "2".into()),
            ("KAREZ_DICOM_LISTEN".into(), "env".into()),
            ("HOME".into(), "elsewhere".into()),
        ],
        set: &["dicom.max_associations=3".into()],
    })
    .unwrap();
    assert_eq!(read.dicom.max_associations, 3);
    assert_eq!(read.dicom.listen, "env");
    assert!(read.dicom.tls);
}

#[test]
fn an_override_is_a_toml_value_or_else_a_string() {
    let read = set(&[
        "link.rate=128 kbit/s",
        "name=7",
        "watch.folders=[\"a\"]",
        "dicom.listen=[::]:104",
    ])
    .unwrap();
    assert_eq!(read.link.rate, Rate(128_000));
    assert_eq!(read.name.as_deref(), Some("7"));
    assert_eq!(read.watch.folders, ["a"]);
    assert_eq!(read.dicom.listen, "[::]:104");
}

#[test]
fn a_bad_override_names_itself() {
    let said =
        |result: Result<Example, ConfigError>| Failure::from(result.unwrap_err()).to_string();
    assert_eq!(
        said(set(&["dicom.tsl=true"])),
        "unknown key `dicom.tsl` (--set dicom.tsl). The nearest known key is `dicom.tls`"
    );
    assert_eq!(
        said(set(&["dicom.tls=7"])),
        "bad value for `dicom.tls`: invalid type: integer `7`, expected a boolean (--set dicom.tls). Correct the value"
    );
    assert_eq!(
        said(set(&["dicom.tls"])),
        "`--set dicom.tls` sets nothing. Write `--set key=value`"
    );
    assert!(said(env("KAREZ_DICOM_TSL", "true")).contains("environment variable KAREZ_DICOM_TSL"));
    assert!(said(env("KAREZ_LINK_RATE", "fast")).contains("is not a rate"));
    assert!(said(set(&["dicom.max_associations=0"])).contains("--set dicom.max_associations"));
}

#[test]
fn a_variable_of_no_known_section_is_not_ours() {
    assert_eq!(env("KAREZ_CORPUS", "elsewhere"), Ok(Example::default()));
}

#[test]
fn the_table_is_held_equal_to_the_structs() {
    assert_eq!(check_table::<Example>(), Ok(()));
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Drifted {
    a: u8,
    b: Option<u8>,
    c: Option<Link>,
}

impl Settings for Drifted {
    const KEYS: &'static [Key] = &[
        Key::new("a", "1", "Wrong default."),
        Key::new("c.rate", "\"1 bit/s\"", "No default."),
        Key::unset("c.probe", "\"soon\"", "A bad example."),
        Key::new("d", "1", "Not there."),
    ];
}

#[test]
fn a_table_that_drifted_from_its_structs_is_told_apart() {
    let wrong = check_table::<Drifted>().unwrap_err();
    for line in [
        "b: in the structs, not in the table",
        "c.cap: in the structs, not in the table",
        "d: in the table, not in the structs",
        "a: the default is 0, not 1",
        "c.rate: has no default in the structs",
        "c.probe: \"soon\" is not a length of time",
    ] {
        assert!(wrong.contains(line), "{line} is not in:\n{wrong}");
    }
}

#[test]
fn the_default_file_reads_as_the_defaults_also_with_its_comments_opened() {
    let text = default_file("The configuration of an example.", Example::KEYS, &[]);
    assert_eq!(from(&text), Ok(Example::default()));
    let read = from(&opened(&text)).unwrap();
    assert_eq!(read.dicom, Dicom::default());
    assert_eq!(read.name.as_deref(), Some("Chagai"));
    assert_eq!(read.rule.len(), 1);
}

#[test]
fn the_default_file_can_set_what_was_chosen() {
    let chosen = [("dicom.listen", Value::String("127.0.0.1:104".into()))];
    let text = default_file("Example.", Example::KEYS, &chosen);
    assert!(text.contains("\nlisten = \"127.0.0.1:104\"\n"), "{text}");
    assert_eq!(from(&text).unwrap().dicom.listen, "127.0.0.1:104");
}

#[test]
fn a_data_directory_is_read_with_or_without_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    let with = |set: &[&str]| {
        let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
        read::<Example>(&karez_store::RealDisk, directory.path(), &set)
    };
    assert_eq!(with(&[]), Ok(Example::default()));
    std::fs::write(&path, "[dicom]\ntls = true\nmax_associations = 5").unwrap();
    let settings = with(&["dicom.max_associations=6"]).unwrap();
    assert!(settings.dicom.tls && settings.dicom.max_associations == 6);
    std::fs::write(&path, "tsl = true").unwrap();
    assert!(with(&[]).unwrap_err().place.ends_with("config.toml line 1"));
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(with(&[]).unwrap_err().cause.contains("UTF-8"));
    std::fs::write(&path, vec![b' '; CONFIG_FILE + 1]).unwrap();
    assert!(with(&[]).unwrap_err().cause.contains("cannot be read"));
}
