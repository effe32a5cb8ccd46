//! The table of the configuration's keys: what the commented default file is written from.

use karez_host::alarm;
use karez_host::audit::syslog;
use karez_host::config::Key;
use karez_host::page;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "name",
        "\"\"",
        "How this clinic calls itself, for people. Empty: as the hub calls it.",
    ),
    Key::new(
        "hub.addresses",
        "[]",
        "Where the hub is, as HOST:PORT, the best first. Empty: as the invitation says.",
    ),
    Key::new(
        "link.ip_mtu",
        "1400",
        "Bytes of the largest IP packet sent, 1228 to 1500. Lower it for tunnels.",
    ),
    Key::new(
        "link.congestion",
        "\"thin\"",
        "\"thin\" is ours, for thin and lossy links; \"cubic\" gives way to others; \"bbr\".",
    ),
    Key::new(
        "link.share",
        "\"alone\"",
        "How \"thin\" behaves beside other flows on the link: \"alone\" takes the link to be ours, \
         \"polite\" lets them go first and keeps a tenth, \"competitive\" is one more among them.",
    ),
    Key::new(
        "link.rate_max",
        "\"0 bit/s\"",
        "Most that is sent, as \"200 kbit/s\"; 0 for no limit. STAT ignores this and all limits below.",
    ),
    Key::new(
        "link.bytes_per_hour",
        "\"0 B\"",
        "IP bytes that the link may carry in an hour, both ways together; 0 for no limit.",
    ),
    Key::new("link.bytes_per_day", "\"0 B\"", "The same for a day."),
    Key::new(
        "link.bytes_per_month",
        "\"0 B\"",
        "The same for a calendar month.",
    ),
    Key::new(
        "link.hours",
        "[]",
        "When to send, in local time, as [\"01:00-09:00\"]; empty for always. While the clock is not \
         set it is always.",
    ),
    Key::new(
        "link.utc_offset",
        "\"+00:00\"",
        "How far local time is ahead of UTC: \"+05:00\" in Pakistan. For link.hours, and for when a \
         day begins.",
    ),
    Key::new(
        "spool.keep_free",
        "\"1 GiB\"",
        "Bytes of the disk that stay free: below, only STAT is accepted.",
    ),
    Key::new(
        "spool.keep_free_stat",
        "\"256 MiB\"",
        "Bytes of the disk that stay free even of STAT.",
    ),
    Key::new(
        "spool.evict_below",
        "\"4 GiB\"",
        "Free bytes of the disk below which studies that the hub has stored are removed here, \
         the oldest first.",
    ),
    Key::new(
        "spool.keep_released",
        "\"7 d\"",
        "How long a study that the hub has stored is kept here at least, unless the disk needs \
         its room.",
    ),
    Key::new(
        "spool.release_on",
        "\"stored\"",
        "The hub's receipt after which a study may be removed here: \"stored\" (at the PACS) or \
         \"committed\" (confirmed by the PACS).",
    ),
    Key::new(
        "spool.scrub",
        "\"1 MiB\"",
        "Bytes a second, at most, that is read of what is kept here to find rot while the scanner \
         still has the image; \"0 B\" for never.",
    ),
    Key::new(
        "spool.scrub_pause",
        "\"7 d\"",
        "How long it rests after it has read everything.",
    ),
    Key::new(
        "study.quiet",
        "\"60 s\"",
        "After this long without a new image a study is declared complete as of then, and its \
         key is wiped.",
    ),
    Key::new(
        "pack.level",
        "\"auto\"",
        "How much computing a byte on the link is worth: \"fast\", \"mid\", \"best\", or \"auto\": \
         mid, less when the link would wait for it, more when it would wait for the link.",
    ),
    Key::new(
        "dicom.listen",
        "\"0.0.0.0:11112\"",
        "Where scanners send to (C-STORE, C-ECHO), as ADDRESS:PORT. Empty: nowhere.",
    ),
    Key::new(
        "dicom.ae_title",
        "\"KAREZ\"",
        "The AE title by which scanners call us, at most 9 characters. The same with _URGENT or \
         _STAT behind it is us too, and makes what is sent urgent or stat.",
    ),
    Key::new(
        "dicom.allow",
        "[]",
        "The AE titles of the scanners that may send. `karez-sender allow TITLE` adds to them \
         without a restart. A title proves nothing: let only the scanners reach the port.",
    ),
    Key::new(
        "dicom.allow_any",
        "false",
        "Whether every scanner that reaches the port may send.",
    ),
    Key::new(
        "dicom.tls_cert",
        "\"\"",
        "A PEM file with the certificate, its chain behind it, by which the port speaks TLS, and then \
         nothing else. Empty: it does not.",
    ),
    Key::new("dicom.tls_key", "\"\"", "A PEM file with its key."),
    Key::new(
        "dicom.tls_ca",
        "\"\"",
        "A PEM file with the authorities from which a scanner's certificate must come. Empty: scanners \
         show none.",
    ),
    Key::new(
        "dicom.associations",
        "16",
        "Associations at once, 1 to 256; more are asked to come later.",
    ),
    Key::new(
        "dicom.commitment",
        "\"stored\"",
        "When a scanner that asks for storage commitment is told that an image is kept: \"stored\" when \
         the archive has it, \"committed\" when the archive has confirmed that (needs \
         spool.release_on = \"committed\"), \"here\" as soon as it is on this disk, which is one copy.",
    ),
    Key::new(
        "dicom.report_port",
        "104",
        "The port at which scanners take the answer to a request for storage commitment, at the \
         address from which they asked.",
    ),
    Key::new(
        "dicom.report_to",
        "[]",
        "Scanners that take it elsewhere, as [\"CT01=192.0.2.20:4104\"].",
    ),
    Key::new(
        "dicom.timeout_associate",
        "\"30 s\"",
        "How long setting an association up, or releasing it, may take.",
    ),
    Key::new(
        "dicom.timeout_idle",
        "\"1 min\"",
        "How long a scanner may be silent within an association. After that the association is \
         dead, and the image it was sending is not kept.",
    ),
    Key::new(
        "dicom.timeout_write",
        "\"1 min\"",
        "How long a scanner may leave our answer unread.",
    ),
    Key::new(
        "watch.folders",
        "[]",
        "Folders into which other programs put files to be sent, with all that is below them. \
         Absolute paths.",
    ),
    Key::new(
        "watch.after",
        "\"keep\"",
        "What becomes of a file once it is accepted: \"keep\", \"delete\", or \"move:FOLDER\" \
         (within the watched folder, or an absolute path on the same disk).",
    ),
    Key::new(
        "watch.quiet",
        "\"5 s\"",
        "How long a file's size and time must stay as they are before it is taken. One that ends \
         too early waits 12 times as long.",
    ),
    Key::new(
        "watch.poll",
        "\"2 s\"",
        "How often the folders are looked at; less often when that takes long.",
    ),
    page::CLINIC_LISTEN,
    page::LANGUAGE,
    page::PLACE,
    page::PRICE,
    page::CURRENCY,
    alarm::WEBHOOK,
    alarm::SMTP,
    alarm::FROM,
    alarm::TO,
    alarm::AGE,
    alarm::DISK,
    syslog::SYSLOG,
    syslog::TLS_CA,
    syslog::TLS_CERT,
    syslog::TLS_KEY,
    Key::unset(
        "rule[].modality",
        "\"CR\"",
        "A rule fits instances of this modality (0008,0060).",
    ),
    Key::unset(
        "rule[].requested",
        "\"HIGH\"",
        "A rule fits instances with this requested procedure priority (0040,1003).",
    ),
    Key::new(
        "rule[].class",
        "\"routine\"",
        "The class that the first fitting rule gives: \"stat\", \"urgent\", \"routine\" or \
         \"bulk\".",
    ),
];
